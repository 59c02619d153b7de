"""`ServedFillMask`: predicts the most likely pieces for each [MASK] in a text."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from albert_tf.serving import sample_texts, signatures
from albert_tf.serving.served_task import AnswerFile, Arrays, ServedTask, Tensors, Texts, Trained
from albert_tf.serving.signatures import POSITIONS, TEXTS, Spec
from albert_tf.tasks.fill_mask.model import AlbertMaskedLM
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
        texts, outputs = sample_texts.TEXTS, self.table["serving_default"].outputs
        rows = [a["fillings"] for a in answer(".txt", "".join(f"{text}\n" for text in texts))]
        fields = {"pieces": "piece", "probabilities": "probability"}
        arrays = {
            name: sample_texts.padded(
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
        return self.answer(*self.pack([rows[:, 1:]]))

    def answer_ids(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        masked = tf.equal(ids, self.special_ids.mask) & tf.equal(mask, 1)  # [B, S]
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
