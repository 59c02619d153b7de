"""`HubEncoder`: what an encoder SavedModel holds, token ids in and vectors out.

    module(inputs, training=False)         a dict of three int32 [B, S], by either family of names
    module.mlm(inputs, training=False)     with positions int32 [B, P]: adds "mlm_logits" [B, P, V]
    module.signatures()                    for clients that call by name; see signatures.py

`variables`, `trainable_variables` and `regularization_losses` are lists on the object, because a
SavedModel drops properties and `hub.KerasLayer` then finds nothing to train. Letters: B batch, S
sequence, P predictions a sequence, H hidden size, V vocabulary.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from albert_tf.serving import signatures
from albert_tf.serving.shared_model import SharedModel, Tensors
from albert_tf.serving.signatures import FAMILIES, TF1_HUB, Family


class _Reusable(tf.__internal__.tracking.AutoTrackable):
    """The variables of a callable object, by the TF-Hub API for reusable SavedModels."""

    def __init__(self, variables: Iterable[tf.Variable]) -> None:
        super().__init__()
        self.variables = list(variables)
        self.trainable_variables = [v for v in self.variables if v.trainable]
        self.regularization_losses = []  # ALBERT has none.


class HubEncoder(_Reusable):
    """The encoder with the heads of pretraining, for `tf.saved_model.save`.

    Outputs of a call: `pooled_output` [B, H], `default`, the same, `sequence_output` [B, S, H] and
    `encoder_outputs`, a list of [B, S, H], one for each block application. All are float32.

    Args:
      model: the encoder and its heads, whose weights are exported as they are when the module is
        saved. Without a head, the signature that needs it is left out.
      lower_case: whether text is lowered before SentencePiece, which `tokenization_info` tells.
      assets: files by the name of the attribute that holds them; `sp_model_file`, the
        SentencePiece model, must be among them. They must exist until the module is saved.
      remove_padding: whether signatures leave padding out, so that a request costs what its real
        tokens cost; `sequence_output` is zero at padding then. Calls never do, as who trains or
        compiles them may need static shapes.
      cls_id: of [CLS], by which signatures find what a server padded (`encoder_inputs`); 2 as in
        the releases.

    Attributes:
      mlm: a `HubMaskedLM`. Absent without the head.
      variables: those of the encoder alone, so that who trains the module trains no head that
        gives no output.
      trainable_variables: likewise.
      regularization_losses: an empty list.
      sentence_order_variables: of the head. Absent without it.
      do_lower_case: bool variable, as TF-Hub's TF2 encoders have it.
    """

    def __init__(
        self,
        model: SharedModel,
        lower_case: bool,
        assets: Mapping[str, str | os.PathLike],
        remove_padding: bool = True,
        cls_id: int = 2,
    ) -> None:
        super().__init__(model.variables()["encoder"])
        self._model = model
        self._signatures_run = dict(real_tokens=remove_padding, cls_id=cls_id)
        if model.masked_lm is not None:
            self.mlm = HubMaskedLM(model)
        if model.sentence_order is not None:
            self.sentence_order_variables = model.variables()["sentence_order"]
        self.do_lower_case = tf.Variable(lower_case, trainable=False, name="do_lower_case")
        for name, path in assets.items():
            setattr(self, name, tf.saved_model.Asset(os.fspath(path)))
        _trace(self.__call__, [family.encoder_specs for family in FAMILIES])

    @tf.function(autograph=False)
    def __call__(self, inputs: Tensors, training: bool = False) -> dict[str, Any]:
        """Returns the outputs of the encoder; see the class."""
        return self._model.encode(inputs, _family(inputs), training)

    def signatures(self) -> dict[str, Callable[..., Any]]:
        """Returns the signatures of `signatures.ENCODER` that the heads allow, by name."""
        model, how = self._model, self._signatures_run

        def tokens(ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> dict[str, Any]:
            return model.encode(_named(ids, mask, types), TF1_HUB, **how)

        def mlm(
            ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor, positions: tf.Tensor
        ) -> dict[str, Any]:
            outputs = model.predict_masked(_named(ids, mask, types, positions), TF1_HUB, **how)
            logits = outputs["mlm_logits"]  # [B, P, V]
            return {**outputs, "mlm_logits": tf.reshape(logits, [-1, logits.shape[-1]])}  # [B*P, V]

        def sop(ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> dict[str, Any]:
            return model.predict_order(_named(ids, mask, types), TF1_HUB, **how)

        def tokenization_info() -> dict[str, Any]:
            path = tf.identity(self.sp_model_file.asset_path)
            return {"vocab_file": path, "do_lower_case": self.do_lower_case.read_value()}

        found = {"tokens": tokens, "tokenization_info": tokenization_info}
        if model.masked_lm is not None:
            found["mlm"] = mlm
        if model.sentence_order is not None:
            found["sop"] = sop
        found = {name: signatures.ENCODER[name].bind(found[name]) for name in found}
        return {**found, "serving_default": found["tokens"]}


class HubMaskedLM(_Reusable):
    """The masked language model of a `HubEncoder`, callable by itself.

    Outputs of a call: those of the encoder and `mlm_logits` float32 [B, P, V].

    Args:
      model: with the head.

    Attributes:
      variables: those of the encoder and the head.
      trainable_variables: likewise.
      regularization_losses: an empty list.
    """

    def __init__(self, model: SharedModel) -> None:
        variables = model.variables()
        super().__init__(variables["encoder"] + variables["masked_lm"])
        self._model = model
        _trace(self.__call__, [family.masked_lm_specs for family in FAMILIES])

    @tf.function(autograph=False)
    def __call__(self, inputs: Tensors, training: bool = False) -> dict[str, Any]:
        """Returns the outputs of encoder and head; see the class."""
        return self._model.predict_masked(inputs, _family(inputs), training)


def _family(inputs: Tensors) -> Family:
    return next(family for family in FAMILIES if family.ids in inputs)


def _trace(function: Any, inputs: Iterable[Mapping[str, tf.TensorSpec]]) -> None:
    """Traces a call for both values of `training`: a SavedModel holds only what was traced."""
    for specs in inputs:
        for training in (False, True):
            function.get_concrete_function(dict(specs), training=training)


def _named(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
    return dict(zip(TF1_HUB, tensors))
