"""`ServedTagging`: predicts a label for each word of a text."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from albert_tf.serving import signatures
from albert_tf.serving.served_task import (
    AnswerFile,
    Arrays,
    ServedTask,
    Tensors,
    Texts,
)
from albert_tf.serving.signatures import TEXTS, Spec
from albert_tf.tokenization.packing import special_count

_OF_TOKENS = {
    "labels": Spec(tf.string, ("B", "W")),
    "label_indices": Spec(tf.int32, ("B", "W")),
    "probabilities": Spec(tf.float32, ("B", "W", "C")),
    "lengths": Spec(tf.int32, ("B",)),
}
_EACH = ("labels", "label_indices", "probabilities")  # The outputs with an entry for each word.
_OF_WORDS = {**_OF_TOKENS, "words": Spec(tf.string, ("B", "W"))}


class ServedTagging(ServedTask):
    """Splits texts at white space and labels each word by its first token.

    A text that is too long continues in further rows of the batch, as in evaluation, so that every
    word is labelled. In `tokens`, every position counts as a word. Letters: T words of all texts, R
    rows.
    """

    SIGNATURES = {"tagging": signatures.of_task({"text": TEXTS}, _OF_WORDS, _OF_TOKENS)}

    def expected(self, answer: AnswerFile, config: Any) -> tuple[Arrays, Arrays]:
        """Returns texts and the labels of their words."""
        texts = [*signatures.SAMPLES, signatures.SECOND_SAMPLES[1]]
        answers = answer(".txt", "\n\n".join("\n".join(t.split()) for t in texts) + "\n")
        lengths = np.array([len(answer["words"]) for answer in answers], np.int32)
        return {"text": np.array(texts)}, {**self.arrays(answers), "lengths": lengths}

    def answer_texts(self, texts: Texts) -> Tensors:
        """Returns the outputs of `serving_default`, padded with "" and 0 after the last word."""
        words = tf.strings.split(texts["text"])  # [B, (words)]
        entries = tf.reduce_prod(words.bounding_shape(out_type=tf.int64))
        words = self.limits.admit("answers", entries, words)
        room = self.seq_length - special_count(1)
        tokens = self.tokenize(words.values)[:, :room]  # [T, (tokens)]
        missing = tf.cast(tf.equal(tokens.row_lengths(), 0), tf.int64)
        unknown = tf.RaggedTensor.from_row_lengths(
            tf.fill([tf.reduce_sum(missing)], self.special_ids.unk), missing
        )
        tokens = tf.concat([tokens, unknown], axis=1)
        rows = _rows(words, tf.cast(tokens.row_lengths(), tf.int32), room)  # [T]
        tokens = tf.RaggedTensor.from_value_rowids(
            tokens, tf.cast(rows, tf.int64)
        )  # [R, (words), (tokens)]
        heads = 1 + tf.cast(tokens.values.row_starts(), tf.int32)
        merged = tokens.merge_dims(1, 2)  # [R, (tokens)]
        heads -= tf.cast(tf.gather(merged.row_starts(), rows), tf.int32)  # [T]
        heads = tf.RaggedTensor.from_value_rowids(heads, tokens.value_rowids())  # [R, (words)]
        specs = {n: tf.TensorSpec(s.shape[1:], s.dtype) for n, s in self.answer_specs().items()}
        specs = {name: specs[name] for name in _EACH}
        outputs = self.answer_segments([merged], self._of_words, specs, [heads])  # [T, ...] each
        answers = {name: words.with_values(x).to_tensor() for name, x in outputs.items()}
        lengths = tf.cast(words.row_lengths(), tf.int32)
        return {**answers, "words": words.to_tensor(), "lengths": lengths}

    def _of_words(self, *rows: tf.Tensor | tf.RaggedTensor) -> Tensors:
        """Returns the outputs of some rows for their words only, given the first token of each."""
        *inputs, heads = rows
        positions = tf.stack([tf.cast(heads.value_rowids(), tf.int32), heads.values], axis=1)
        outputs = self.answer(*inputs)
        return {name: tf.gather_nd(outputs[name], positions) for name in _EACH}

    def answer_ids(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        logits = self.model(self.features(ids, mask, types))  # [B, S, C]
        best = tf.argmax(logits, axis=-1, output_type=tf.int32)  # [B, S]
        return {
            "labels": tf.gather(tf.constant(self.model.labels), best),
            "label_indices": best,
            "probabilities": tf.nn.softmax(logits),
            "lengths": tf.reduce_sum(mask, axis=1),
        }


def _rows(words: tf.RaggedTensor, lengths: tf.Tensor, room: int) -> tf.Tensor:
    """Returns the row of each word, int32 [T].

    A new row starts with each text, and whenever a row is full.

    Args:
      words: [B, (words)].
      lengths: the number of tokens of each word, int32 [T].
      room: the number of tokens that fit in a row.
    """
    limits = tf.cast(tf.gather(words.row_limits(), words.value_rowids()), tf.int32)  # [T]
    after = tf.cumsum(lengths)  # [T]

    def step(word: tf.Tensor, begins: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        full = after[word] - lengths[word] + room
        end = tf.searchsorted(after, full[tf.newaxis], side="right")[0]
        return tf.minimum(end, limits[word]), tf.concat([begins, [word]], 0)

    _, begins = tf.while_loop(
        lambda word, _: word < tf.size(lengths),
        step,
        (0, tf.zeros([0], tf.int32)),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
    )
    return tf.searchsorted(begins, tf.range(tf.size(lengths)), side="right") - 1
