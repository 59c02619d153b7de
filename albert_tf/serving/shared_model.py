"""`SharedModel`: one encoder graph for all calls and signatures of an exported module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.heads import MaskedLMHead, SentenceOrderHead
from albert_tf.modeling.inputs import checked
from albert_tf.modeling.precision import ReducedPrecision, replaced
from albert_tf.modeling.stack import calls_kept
from albert_tf.serving import encoder_inputs
from albert_tf.serving.signatures import TEXT_ENCODER, Family

Tensors = Mapping[str, tf.Tensor]
# The logit of a row of the word table that belongs to no piece; its probability is 0.
NO_PIECE = -1e9


class SharedModel:
    """An encoder with its heads; the encoder runs in one shared function.

    The function is traced once for each combination of options. Each exported call and signature
    contains a call of this function instead of the whole encoder, which keeps the file small and
    fast to load. The class is deliberately not a trackable object: otherwise a SavedModel would
    also include the Keras layers, with functions that nobody calls.

    Methods take a dict of inputs by the names of `family` and ignore other entries. With
    `real_tokens` they skip padding, as `AlbertEncoder` does with `remove_padding`. Callers that
    need only `pooled_output` pass `output_range=1`, which saves most of the last block. With
    `cls_id`, methods repair the mask of batches that a server padded (`encoder_inputs`). With
    `reduce`, the encoder computes with `reduced`, if there is one. Letters: B batch, S sequence, P
    predictions in a sequence, V vocabulary.

    Args:
      encoder: the encoder.
      masked_lm: the masked language model head, if any.
      sentence_order: the sentence order head, if any.
      pieces: the number of pieces of the vocabulary, if the word table has more rows; their logits
        are lower than all others.
      reduced: products of less precision, if any.

    Raises:
      tf.errors.InvalidArgumentError: raised by each method when the graph runs, if the inputs
        differ in shape or break a rule of `AlbertEncoder`.
    """

    def __init__(
        self,
        encoder: AlbertEncoder,
        masked_lm: MaskedLMHead | None = None,
        sentence_order: SentenceOrderHead | None = None,
        pieces: int | None = None,
        reduced: ReducedPrecision | None = None,
    ) -> None:
        self.encoder, self.pieces, self.reduced = encoder, pieces, reduced
        self.masked_lm, self.sentence_order = masked_lm, sentence_order
        self._run = tf.function(self._run_encoder, autograph=False)

    def variables(self) -> dict[str, list[tf.Variable]]:
        """Returns the variables by part; a word table shared with a head belongs to the encoder."""
        seen, variables = set(), {}
        for name in ("encoder", "masked_lm", "sentence_order"):
            layer = getattr(self, name)
            if layer is not None:
                variables[name] = [v for v in layer.variables if id(v) not in seen]
                seen.update(id(v) for v in variables[name])
        return variables

    def encode(
        self,
        inputs: Tensors,
        family: Family,
        training: bool = False,
        real_tokens: bool = False,
        output_range: int | None = None,
        cls_id: int | None = None,
        reduce: bool = False,
    ) -> dict[str, Any]:
        """Returns the outputs of `AlbertEncoder`, and `default`, which is the pooled output."""
        ids, mask, types = encoder_inputs.standardize(inputs, family, cls_id)
        outputs = self._run(ids, mask, types, training, real_tokens, output_range, reduce)
        return encoder_inputs.with_static_shape(outputs, inputs[family.ids])

    def predict_masked(
        self,
        inputs: Tensors,
        family: Family,
        training: bool = False,
        real_tokens: bool = False,
        cls_id: int | None = None,
        reduce: bool = False,
    ) -> dict[str, Any]:
        """Returns the outputs of `encode`, and `mlm_logits` [B, P, V] for positions [B, P]."""
        outputs = self.encode(inputs, family, training, real_tokens, cls_id=cls_id, reduce=reduce)
        positions, length = inputs[family.positions], tf.shape(inputs[family.ids])[1]
        positions = checked(
            positions,
            tf.reduce_all((positions >= 0) & (positions < length)),
            f"{family.positions} must be inside the sequence. Pad them with 0. Received the "
            "smallest, the largest and the sequence length:",
            tf.reduce_min(positions),
            tf.reduce_max(positions),
            length,
        )
        logits = self.masked_lm_logits(outputs["sequence_output"], positions)
        return {**outputs, "mlm_logits": logits}

    def masked_lm_logits(self, sequence_output: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        """Returns the logits at positions [B, P] of `sequence_output`, [B, P, V]."""
        logits = self.masked_lm(sequence_output, positions)
        if self.pieces is None:
            return logits
        return tf.where(tf.range(logits.shape[-1]) < self.pieces, logits, NO_PIECE)

    def predict_order(
        self,
        inputs: Tensors,
        family: Family,
        real_tokens: bool = False,
        cls_id: int | None = None,
        reduce: bool = False,
    ) -> dict[str, Any]:
        """Returns the outputs of `encode`, and `sop_log_probs` [B, 2] for (in order, swapped)."""
        outputs = self.encode(inputs, family, real_tokens=real_tokens, cls_id=cls_id, reduce=reduce)
        logits = self.sentence_order(outputs["pooled_output"])
        return {**outputs, "sop_log_probs": tf.nn.log_softmax(logits)}

    def _run_encoder(
        self,
        ids: tf.Tensor,
        mask: tf.Tensor,
        types: tf.Tensor,
        training: bool,
        real_tokens: bool,
        output_range: int | None,
        reduce: bool,
    ) -> dict[str, Any]:
        with calls_kept(), replaced(self.reduced if reduce else None):
            outputs = self.encoder(
                dict(zip(TEXT_ENCODER[:3], (ids, mask, types))),
                training=training,
                remove_padding=real_tokens,
                output_range=output_range,
            )
        return {**outputs, "default": outputs["pooled_output"]}
