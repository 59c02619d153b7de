"""The digit-comma rule as TensorFlow operations: looks up in a table the ids that replace an id.

Shapes: V ids in the vocabulary; T tokens of all texts before the rule, U after it; E tokens that
the rule splits into P parts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from albert_tf.tokenization.graph.edits import edit, on_rows
from albert_tf.tokenization.tokenizer import AlbertTokenizer


class Expanded(NamedTuple):
    """The tokens after the rule, with the data needed to compute their offsets.

    Attributes:
      ids: int32 [U].
      source: int64 [U], the index of the token that each came from.
      parts: int64 [P], the indices of the tokens that are parts of a split token.
      from_start: int32 [P], characters from the start of the part to the end of its source.
      from_end: int32 [P], characters from the end of the part to the end of its source.
      row_splits: int64 [B + 1], over U.
    """

    ids: tf.Tensor
    source: tf.Tensor
    parts: tf.Tensor
    from_start: tf.Tensor
    from_end: tf.Tensor
    row_splits: tf.Tensor


class DigitComma:
    """The digit-comma table of a tokenizer.

    Its small arrays become constants in the graphs that use them.
    """

    def __init__(self, tokenizer: AlbertTokenizer) -> None:
        slots = np.zeros(tokenizer.vocab_size, np.int32)  # [V], 0: not split
        lengths, ids, from_start, from_end = [], [], [], []
        for slot, (index, parts) in enumerate(tokenizer.digit_comma_parts.items(), start=1):
            slots[index] = slot
            lengths.append(len(parts))
            ids += [part.id for part in parts]
            left = sum(part.length for part in parts)
            for part in parts:
                from_start.append(left)
                left -= part.length
                from_end.append(left)
        # Created outside any graph, the tensor is shared by all graphs.
        with tf.init_scope(), tf.device("CPU:0"):
            self._slots = tf.constant(slots)
        # Slots are numbered from 1.
        self._begins = np.cumsum([0, 0, *lengths], dtype=np.int64)
        self._ids = np.array(ids, np.int32)
        self._from_start = np.array(from_start, np.int32)
        self._from_end = np.array(from_end, np.int32)

    def apply(self, tokens: tf.RaggedTensor) -> tf.RaggedTensor:
        """Applies the rule to ids, int32 [B, (T)]."""

        def expanded(rows: tf.RaggedTensor) -> tf.RaggedTensor:
            new = self.expand(rows)
            return tf.RaggedTensor.from_row_splits(new.ids, new.row_splits, validate=False)

        return on_rows(tokens, tf.gather(self._slots, tokens.values) > 0, expanded)

    def expand(self, tokens: tf.RaggedTensor) -> Expanded:
        """Applies the rule to ids, int32 [B, (T)], and records where each token came from."""
        slots = tf.gather(self._slots, tokens.values)  # [T]
        places = tf.where(slots > 0)[:, 0]  # [E]
        slots = tf.gather(slots, places)  # [E]
        entry, limit = tf.gather(self._begins, slots), tf.gather(self._begins, slots + 1)
        edited = edit(places, limit - entry, tokens.row_splits)
        parts = tf.ragged.range(edited.begins, edited.begins + limit - entry).values  # [P]
        entry = tf.ragged.range(entry, limit).values  # [P]
        new_ids = tf.gather(tokens.values, edited.source)  # [U]
        return Expanded(
            tf.tensor_scatter_nd_update(new_ids, parts[:, tf.newaxis], tf.gather(self._ids, entry)),
            edited.source,
            parts,
            tf.gather(self._from_start, entry),
            tf.gather(self._from_end, entry),
            edited.row_splits,
        )
