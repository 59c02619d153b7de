"""`HubLayer`: trains an exported encoder or text embedding inside Keras 3 models.

`hub.KerasLayer` is a layer of Keras 2. This module needs only TensorFlow and Keras 3, the package
`keras`; it imports neither tf_keras nor anything else of this package but its errors.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from albert_tf.errors import InputError


@keras.saving.register_keras_serializable(package="albert_tf")
class HubLayer(keras.layers.Layer):
    """An encoder, or a text embedding of `albert-tf export task`, as a layer of Keras 3.

    ```python
    names = ("input_word_ids", "input_mask", "input_type_ids")
    inputs = {name: keras.Input([128], dtype="int32", name=name) for name in names}
    outputs = HubLayer("hub/encoder")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(outputs["pooled_output"]))
    ```

    Inputs of an encoder: a dict of ids, mask and types, int32 [B, S] each, by the names that the
    module accepts. Outputs: those of the module, with every static size that the inputs have:
    `pooled_output` and its alias `default`, float32 [B, H]; `sequence_output`, float32 [B, S, H];
    and `encoder_outputs`, a list with one float32 [B, S, H] for each block application.

    A text embedding takes texts, string [B], and returns float32 [B, D]. Import `tensorflow_text`
    before it is loaded.

    The weights are those of the module until they are trained or loaded. A .keras file stores them
    with the path of the module, whose folder must still be there when the file is loaded.

    Args:
      module_path: the folder of the module.
      trainable: whether the encoder is trained. If not, its dropout is off as well.
      **kwargs: arguments of every Keras layer, such as `name`.

    Raises:
      InputError: there is no such module, it cannot be trained, or Keras runs on another backend
        than TensorFlow.
    """

    def __init__(
        self, module_path: str | os.PathLike, trainable: bool = True, **kwargs: Any
    ) -> None:
        if keras.backend.backend() != "tensorflow":
            raise InputError(
                "A HubLayer must run on TensorFlow, because it runs a TensorFlow graph. Received "
                f"the Keras backend {keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow "
                "before Keras is imported."
            )
        super().__init__(**kwargs)
        self.module_path = os.fspath(module_path)
        self.module = _load(self.module_path)
        # A Keras variable around a variable of TensorFlow shares its value.
        self.encoder_variables = [
            keras.Variable(variable, name=variable.name.partition(":")[0].replace("/", "_"))
            for variable in self.module.trainable_variables
        ]
        given = getattr(self.module, "signatures", {}).get("serving_default")
        self.takes_texts = given is not None and "text" in given.structured_input_signature[1]
        self.trainable = trainable  # Keras passes it on to the variables that a layer has.

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Returns the outputs; see the class."""
        if self.takes_texts:
            return self._vectors(inputs, training)
        if not isinstance(inputs, Mapping):
            raise InputError(
                "The inputs of an encoder must be a dict of ids, mask and types. Received "
                f"{type(inputs).__name__}. Pass a dict, or a module for embeddings, which takes "
                "texts."
            )
        for name, tensor in inputs.items():
            if not tf.as_dtype(tensor.dtype).is_integer:
                raise InputError(
                    "The inputs of a HubLayer must be whole numbers. Received "
                    f"{name!r} of type {tf.as_dtype(tensor.dtype).name}. Pass "
                    'dtype="int32" to keras.Input.'
                )
        given = {name: tf.cast(tensor, tf.int32) for name, tensor in inputs.items()}
        outputs = self.module(given, training=bool(training) and self.trainable)
        batch, length = next(iter(given.values())).shape
        # The graph of the module has no static sizes.
        return tf.nest.map_structure(
            lambda x: tf.ensure_shape(x, [batch, *[length] * (x.shape.rank - 2), x.shape[-1]]),
            outputs,
        )

    def _vectors(self, texts: Any, training: bool) -> Any:
        dtype = getattr(texts, "dtype", type(texts).__name__)
        if dtype not in ("string", tf.string):
            raise InputError(
                f"The inputs of a text embedding must be texts. Received {dtype}. Pass a string "
                'tensor, or keras.Input([], dtype="string").'
            )
        vectors = self.module(texts, training=bool(training) and self.trainable)
        return tf.ensure_shape(vectors, [texts.shape[0], vectors.shape[-1]])

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the layer."""
        return {**super().get_config(), "module_path": self.module_path}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> HubLayer:
        """Returns a layer; unlike that of Keras, lets an `InputError` through as it is."""
        return cls(**config)


def _load(path: str) -> Any:
    """Returns the module in a folder of this machine; a model file must not name a remote one."""
    if not (Path(path) / "saved_model.pb").is_file():
        raise InputError(
            "A HubLayer must have the folder of an exported module. Received "
            f"'{path}', which has no saved_model.pb (working directory: {os.getcwd()}). Write it "
            "there with `albert-tf export encoder` or `task`, or move it back."
        )
    try:
        module = tf.saved_model.load(path)
    except Exception as error:  # TensorFlow raises errors of many kinds for a damaged module.
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"A module must be complete. Received '{path}', which TensorFlow cannot load: "
            f"{reason}. Export it again."
        ) from error
    if not callable(module) or not getattr(module, "trainable_variables", None):
        raise InputError(
            f"A HubLayer must have an encoder with weights. Received '{path}', a module without "
            "a call or without trainable_variables. Pass one that `albert-tf export encoder` wrote."
        )
    return module
