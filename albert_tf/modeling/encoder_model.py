"""`EncoderModel`, the base class of all models with an `AlbertEncoder` and heads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import tensorflow as tf
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.modeling.embeddings import Table
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.heads import MaskedLMHead
from albert_tf.modeling.inputs import NAMES, refuse_texts
from albert_tf.modeling.layers import build_parts, norms, policy_of

Model = TypeVar("Model", bound="EncoderModel")


class EncoderModel(tf_keras.Model):
    """A Keras model of an encoder and heads, which Keras can save before it is called.

    Attributes:
      INPUT_AXES: the axes of the token ids: batch and sequence, with choices in between if the task
        has choices.

    Args:
      config: the encoder's config.
      recompute: see `AlbertEncoder`.
      **kwargs: `name`, `dtype` and `trainable` of Keras models.
    """

    INPUT_AXES: ClassVar[tuple[str, ...]] = ("B", "S")

    def __init__(
        self, config: AlbertConfig | Mapping[str, Any], recompute: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.albert_config, self._recompute = as_config(config), recompute
        with policy_of(self):
            self.encoder = AlbertEncoder.from_albert_config(
                self.albert_config, recompute=recompute, name="encoder"
            )

    def build_heads(self, *heads: tf_keras.layers.Layer) -> None:
        """Builds the heads, the last step of a constructor. The model then has all its variables.

        Keras can save it from then on: it is built, and the axes of its inputs are known.
        """
        build_parts(*((head, self.albert_config.hidden_size) for head in heads))
        self.built = True
        spec = tf.TensorSpec([None] * len(self.INPUT_AXES), tf.int32)
        self._set_save_spec(dict.fromkeys(NAMES, spec))

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains the model as every Keras model.

        Raises:
          InputError: the inputs are texts. Raised before Keras builds its training step, which
            could not be built again without `compile`.
        """
        refuse_texts(x)
        return super().fit(x, *args, **kwargs)

    def resize_token_embeddings(self, rows: int) -> Table:
        """Appends rows to the word table; see `AlbertEncoder.resize_token_embeddings`.

        The output bias of a masked-LM head gets zeros, as in a new model, and a saved model has the
        new size.

        Raises:
          InputError: see there; or the model is compiled.
        """
        if self.optimizer is not None:
            raise InputError(
                "A model must be resized before it is compiled, as its optimizer has the variables "
                "of the old table. Received a compiled model. Load it, resize it, and compile it."
            )
        table = self.encoder.resize_token_embeddings(rows)
        for head in self.layers:
            if isinstance(head, MaskedLMHead) and rows > head.output_bias.shape[0]:
                head.grow(table.embeddings)
        self.albert_config = dataclasses.replace(self.albert_config, vocab_size=rows)
        self.test_function = self.predict_function = None  # They read the old table.
        return table

    def get_config(self) -> dict[str, Any]:
        return {
            **tf_keras.layers.Layer.get_config(self),  # that of Model is empty
            "config": self.albert_config.to_dict(),
            "recompute": self._recompute,
            "parts": {
                part.name: dict(trainable=part.trainable, epsilon=[n.epsilon for n in norms(part)])
                for part in self._parts()
            },
        }

    @classmethod
    def from_config(cls: type[Model], config: dict[str, Any], custom_objects: Any = None) -> Model:
        """Returns a new model with the config that `get_config` returned."""
        model = cls(**{name: value for name, value in config.items() if name != "parts"})
        for part in model._parts():  # what may have been set after the constructor
            if not config["parts"][part.name]["trainable"]:
                part.trainable = False
            for norm, epsilon in zip(norms(part), config["parts"][part.name]["epsilon"]):
                norm.epsilon = epsilon
        return model

    def _parts(self) -> list[tf_keras.layers.Layer]:
        return [layer for layer in self.layers if layer.weights]  # the names of others are numbered


def as_config(config: AlbertConfig | Mapping[str, Any]) -> AlbertConfig:
    """Returns the config itself, or builds it from a dict of its keys."""
    return config if isinstance(config, AlbertConfig) else AlbertConfig.from_dict(config)
