"""`ServedFillMask`: predicts the most likely pieces for each [MASK] in a text."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from albert_tf.modeling.parts import in_parts, rows_at_once
from albert_tf.serving import signatures
from albert_tf.serving.limits import PIECES
from albert_tf.serving.served_task import (
    AnswerFile,
    Arrays,
    ServedTask,
    Tensors,
    Texts,
    Trained,
)
from albert_tf.serving.signatures import POSITIONS, TEXTS, Spec
from albert_tf.tasks.fill_mask.model import AlbertMaskedLM
from albert_tf.tokenization.packing import special_count
from albert_tf.tokenization.tokenizer import AlbertTokenizer

MASK = "[MASK]"

_FILLED = {
    "positions": POSITIONS,
    "token_ids": Spec(tf.int32, ("B", "P", "K")),
    "pieces": Spec(tf.string, ("B", "P", "K")),
    "probabilities": Spec(tf.float32, ("B", "P", "K")),
    "lengths": Spec(tf.int32, ("B",)),
}


class ServedFillMask(ServedTask):
    """Returns K pieces for each of P masks; rows with fewer masks are padded with "" and 0.

    Args:
      model: the model with its weights.
      tokenizer: the tokenizer of the model.
      seq_length: the maximum sequence length; masks beyond it are dropped.
      top_k: K.
    """

    SIGNATURES = {"fill_mask": signatures.of_task({"text": TEXTS}, _FILLED)}
    OPTIONS = ("top_k",)

    def __init__(
        self, model: AlbertMaskedLM, tokenizer: AlbertTokenizer, seq_length: int, top_k: int = 5
    ) -> None:
        self._pieces, self._top_k = tokenizer.pieces, min(top_k, tokenizer.vocab_size)
        super().__init__("fill_mask", model, tokenizer, seq_length)

    @classmethod
    def from_predictor(cls, predictor: Trained) -> ServedFillMask:
        """Returns the served task, with `top_k` from the config of the trained task."""
        task = predictor.task
        return cls(predictor.model, task.tokenizer, predictor.seq_length, task.task_config.top_k)

    def expected(self, answer: AnswerFile, config: Any) -> tuple[Arrays, Arrays]:
        """Returns texts with masks and the expected fillings."""
        texts, outputs = signatures.SAMPLES, self.table["serving_default"].outputs
        rows = [a["fillings"] for a in answer(".txt", "".join(f"{text}\n" for text in texts))]
        fields = {"pieces": "piece", "probabilities": "probability"}
        arrays = {
            name: signatures.padded(
                [[[filling[field] for filling in mask] for mask in row] for row in rows],
                outputs[name],
            )
            for name, field in fields.items()
        }
        lengths = np.array([len(row) for row in rows], np.int32)
        return {"text": np.array(texts)}, {**arrays, "lengths": lengths}

    def answer_texts(self, texts: Texts) -> Tensors:
        """Returns the outputs of `serving_default`; [MASK] in a text is the special token."""
        # Prepend a mask to every part, then remove the first one again.
        parts = tf.strings.split(tf.strings.join([MASK, texts["text"]]), MASK)[:, 1:]
        tokens = self.tokenize(parts.values)  # [parts, (tokens)]
        masks = tf.fill([tokens.nrows(), 1], self.special_ids.mask)
        tokens = tf.concat([masks, tokens], axis=1)
        rows = parts.with_values(tokens).merge_dims(1, 2)  # [B, (tokens)]
        rows = rows[:, 1 : 1 + self.seq_length - special_count(1)]
        # A sum over the axis of a ragged tensor would need a table of all rows.
        is_mask = tf.cast(tf.equal(rows.values, self.special_ids.mask), tf.int32)
        before = tf.gather(tf.concat([[0], tf.cumsum(is_mask)], 0), rows.row_splits)
        positions, rows = self._admitted_masks(before[1:] - before[:-1], rows)
        specs = self._specs_of_masks()
        return self._joined(
            self.answer_segments([rows], self._of_masks, specs, positions=positions)
        )

    def answer_rows(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        masks = tf.reduce_sum(tf.cast(self._masked(ids, mask), tf.int32), axis=1)  # [B]
        positions, inputs = self._admitted_masks(masks, [ids, mask, types])
        rows = rows_at_once(tf.maximum(tf.shape(ids)[1], positions))
        return self._joined(in_parts(self._of_masks, inputs, self._specs_of_masks(), rows))

    def answer_ids(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        masked = self._masked(ids, mask)  # [B, S]
        lengths = tf.reduce_sum(tf.cast(masked, tf.int32), axis=1)  # [B]
        length = tf.shape(ids)[1]
        # Places without a mask sort behind all others. LiteRT has no ragged tensors.
        places = tf.sort(tf.where(masked, tf.range(length), length), axis=1)
        places = places[:, : tf.reduce_max(lengths)]  # [B, P]
        positions = tf.where(places < length, places, 0)
        features = self.features(ids, mask, types)
        logits = self.model({**features, "masked_lm_positions": positions})
        logits = logits[..., : len(self._pieces)]  # [B, P, V]; a padded table has more rows.
        shares, best = tf.math.top_k(tf.nn.softmax(logits), self._top_k)  # [B, P, K]
        is_mask = tf.sequence_mask(lengths, tf.shape(positions)[1])[:, :, tf.newaxis]
        names = tf.gather(tf.constant(self._pieces), best)
        return {
            "positions": positions,
            "token_ids": tf.where(is_mask, best, self.special_ids.pad),
            "pieces": tf.where(is_mask, names, ""),
            "probabilities": tf.where(is_mask, shares, 0.0),
            "lengths": lengths,
        }

    def _masked(self, ids: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        return tf.equal(ids, self.special_ids.mask) & tf.equal(mask, 1)

    def _admitted_masks(self, masks: tf.Tensor, tensors: Any) -> tuple[tf.Tensor, Any]:
        """Checks the number of masks in each row, int32 [B].

        Returns the positions that take as much memory as the masks of a row, and the tensors.
        """
        most = tf.maximum(tf.reduce_max(masks), 0)
        entries = tf.size(masks, tf.int64) * tf.cast(most, tf.int64)
        tensors = self.limits.admit("answers", entries, tensors)
        return most * self.model.albert_config.vocab_size // PIECES, tensors

    def _of_masks(self, *inputs: tf.Tensor) -> Tensors:
        """Returns the outputs of some rows for their masks only, and `lengths`."""
        outputs = dict(self.answer(*inputs))
        lengths = outputs.pop("lengths")
        exists = tf.sequence_mask(lengths, tf.shape(outputs["positions"])[1])
        outputs = {name: tf.boolean_mask(x, exists) for name, x in outputs.items()}
        return {**outputs, "lengths": lengths}

    def _specs_of_masks(self) -> dict[str, tf.TensorSpec]:
        """Returns the specs of the results of `_of_masks`."""
        specs = dict(self.answer_specs())
        lengths = specs.pop("lengths")
        specs = {name: tf.TensorSpec(s.shape[1:], s.dtype) for name, s in specs.items()}
        return {**specs, "lengths": lengths}

    def _joined(self, outputs: Tensors) -> Tensors:
        """Returns the outputs of all rows, padded to the most masks, given those of their masks."""
        lengths = outputs.pop("lengths")
        blank = {"token_ids": self.special_ids.pad}
        rows = {n: tf.RaggedTensor.from_row_lengths(x, lengths) for n, x in outputs.items()}
        return {**{n: x.to_tensor(blank.get(n)) for n, x in rows.items()}, "lengths": lengths}
