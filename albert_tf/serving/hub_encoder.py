"""`HubEncoder`, the root object of an encoder SavedModel: token ids in, vectors out.

    module(inputs, training=False)         a dict of three int32 [B, S], by the names of a family
    module.mlm(inputs, training=False)     with positions int32 [B, P]; adds "mlm_logits" [B, P, V]
    module.signatures()                    for clients that call by name; see signatures.py

`variables`, `trainable_variables` and `regularization_losses` are lists on the object. A SavedModel
would drop properties, and `hub.KerasLayer` would then find nothing to train. Letters: B batch, S
sequence, P predictions in a sequence, H hidden size, V vocabulary.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from albert_tf.serving import signatures
from albert_tf.serving.limits import DEFAULTS, PIECES, Limits
from albert_tf.serving.shared_model import SharedModel, Tensors
from albert_tf.serving.signatures import FAMILIES, KERAS_HUB, TF1_HUB, Family

BOOL_MASK = tf.TensorSpec([None, None], tf.bool)


class _Reusable(tf.__internal__.tracking.AutoTrackable):
    """A callable object with variables, as in the TF-Hub API for reusable SavedModels."""

    def __init__(self, variables: Iterable[tf.Variable]) -> None:
        super().__init__()
        self.variables = list(variables)
        self.trainable_variables = [v for v in self.variables if v.trainable]
        self.regularization_losses = []  # ALBERT has none.


class HubEncoder(_Reusable):
    """The encoder with the pretraining heads, for `tf.saved_model.save`.

    A call returns `pooled_output` [B, H]; `default`, the same tensor; `sequence_output` [B, S, H];
    and `encoder_outputs`, a list with one [B, S, H] for each block application. All are float32.

    Args:
      model: the encoder and its heads; the weights that they have when the module is saved are
        exported. A signature is left out if its head is missing. If the model has products of less
        precision, signatures compute with them; calls of the module, which can be trained, do not.
      lower_case: whether text is lower-cased; `tokenization_info` returns it.
      assets: files by the name of the attribute that holds them. One of them must be
        `sp_model_file`, the SentencePiece model, or `vocab_file`, the WordPiece vocabulary, as in
        Model Garden's exports. The files must exist until the module is saved.
      remove_padding: whether signatures skip padding, so that latency depends on real tokens only;
        `sequence_output` is then zero at padding. Calls of the module never skip padding, because
        training and compiling may need static shapes.
      cls_id: the id of [CLS], with which signatures detect server padding (`encoder_inputs`); 2 as
        in the released models.
      limits: the most tokens of a request to a signature. Calls of the module have no limit.

    Attributes:
      mlm: a `HubMaskedLM`; missing if there is no such head.
      variables: the variables of the encoder only, so that training the module does not train heads
        that contribute no output.
      trainable_variables: the trainable variables of the encoder only.
      regularization_losses: an empty list.
      sentence_order_variables: the variables of the sentence order head; missing if there is none.
      reduced_variables: those of products of less precision; missing if there are none.
      do_lower_case: a bool variable, as in TF-Hub's TF2 encoders.
    """

    def __init__(
        self,
        model: SharedModel,
        lower_case: bool,
        assets: Mapping[str, str | os.PathLike],
        remove_padding: bool = True,
        cls_id: int = 2,
        limits: Limits = DEFAULTS,
    ) -> None:
        super().__init__(model.variables()["encoder"])
        self._model, self._limits = model, limits
        self._signatures_run = dict(real_tokens=remove_padding, cls_id=cls_id, reduce=True)
        if model.masked_lm is not None:
            self.mlm = HubMaskedLM(model)
        if model.sentence_order is not None:
            self.sentence_order_variables = model.variables()["sentence_order"]
        if model.reduced is not None:
            self.reduced_variables = list(model.reduced.variables)
        self.do_lower_case = tf.Variable(lower_case, trainable=False, name="do_lower_case")
        for name, path in assets.items():
            setattr(self, name, tf.saved_model.Asset(os.fspath(path)))
        _trace(self.__call__, [family.encoder_specs for family in FAMILIES])

    @tf.function(autograph=False)
    def __call__(self, inputs: Tensors, training: bool = False) -> dict[str, Any]:
        """Returns the outputs of the encoder; see the class."""
        return self._model.encode(inputs, _family(inputs), training)

    def signatures(self) -> dict[str, Callable[..., Any]]:
        """Returns the signatures of `signatures.ENCODER` that the model has heads for, by name."""
        model, how, admit = self._model, self._signatures_run, self._limits.admit_ids

        def tokens(*inputs: tf.Tensor) -> dict[str, Any]:
            return model.encode(_named(*admit(inputs)), TF1_HUB, **how)

        def mlm(*inputs: tf.Tensor) -> dict[str, Any]:
            *_, positions = inputs
            count = tf.size(positions, tf.int64)
            pieces = model.masked_lm.output_bias.shape[0]
            inputs = admit(inputs, more=tf.maximum(count, count * pieces // PIECES))
            outputs = model.predict_masked(_named(*inputs), TF1_HUB, **how)
            logits = outputs["mlm_logits"]  # [B, P, V]
            return {**outputs, "mlm_logits": tf.reshape(logits, [-1, logits.shape[-1]])}  # [B*P, V]

        def sop(*inputs: tf.Tensor) -> dict[str, Any]:
            return model.predict_order(_named(*admit(inputs)), TF1_HUB, **how)

        def tokenization_info() -> dict[str, Any]:
            is_wordpiece = hasattr(self, "vocab_file")
            vocabulary = self.vocab_file if is_wordpiece else self.sp_model_file
            path = tf.identity(vocabulary.asset_path)
            return {"vocab_file": path, "do_lower_case": self.do_lower_case.read_value()}

        functions = {"tokens": tokens, "tokenization_info": tokenization_info}
        if model.masked_lm is not None:
            functions["mlm"] = mlm
        if model.sentence_order is not None:
            functions["sop"] = sop
        bound = {name: signatures.ENCODER[name].bind(f) for name, f in functions.items()}
        return {**bound, "serving_default": bound["tokens"]}


class HubMaskedLM(_Reusable):
    """The masked language model of a `HubEncoder`, a callable object.

    A call returns the outputs of the encoder and `mlm_logits`, float32 [B, P, V].

    Args:
      model: the encoder with its masked language model head.

    Attributes:
      variables: the variables of the encoder and the head.
      trainable_variables: the trainable variables of the encoder and the head.
      regularization_losses: an empty list.
    """

    def __init__(self, model: SharedModel) -> None:
        variables = model.variables()
        super().__init__(variables["encoder"] + variables["masked_lm"])
        self._model = model
        _trace(self.__call__, [family.masked_lm_specs for family in FAMILIES])

    @tf.function(autograph=False)
    def __call__(self, inputs: Tensors, training: bool = False) -> dict[str, Any]:
        """Returns the outputs of the encoder and the head; see the class."""
        return self._model.predict_masked(inputs, _family(inputs), training)


def _family(inputs: Tensors) -> Family:
    return next(family for family in FAMILIES if set(family[:3]) <= set(inputs))


def _trace(function: Any, inputs: Iterable[Mapping[str, tf.TensorSpec]]) -> None:
    """Traces a call for both values of `training`; a SavedModel stores only traced functions."""
    inputs = list(inputs)
    of_keras_hub = [specs for specs in inputs if KERAS_HUB.mask in specs]  # its mask may be bool
    inputs += [{**specs, KERAS_HUB.mask: BOOL_MASK} for specs in of_keras_hub]
    for specs in inputs:
        for training in (False, True):
            function.get_concrete_function(dict(specs), training=training)


def _named(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
    return dict(zip(TF1_HUB, tensors))
