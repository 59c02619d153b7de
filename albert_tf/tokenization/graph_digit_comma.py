"""The digit-comma rule as TensorFlow operations: ids are replaced by rows of a table.

Shapes: V ids in the vocabulary; T tokens of all texts together, U of them afterwards.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from albert_tf.tokenization.tokenizer import AlbertTokenizer


class Expanded(NamedTuple):
    """Tokens after the rule, with what is needed to find where they stand.

    Attributes:
      ids: int32 [U].
      source: int32 [U], the index of the token that each came from.
      from_start: int32 [U], characters between the end of the source and the start of the token;
        -1 for tokens that were left alone.
      from_end: int32 [U], likewise to the end of the token.
      row_splits: int64, as before the rule, now over U.
    """

    ids: tf.Tensor
    source: tf.Tensor
    from_start: tf.Tensor
    from_end: tf.Tensor
    row_splits: tf.Tensor


class DigitComma:
    """The table of a tokenizer. Its small arrays become constants of the graphs that use it."""

    def __init__(self, tokenizer: AlbertTokenizer) -> None:
        slots = np.zeros(tokenizer.vocab_size, np.int32)  # [V], 0: leave alone
        lengths, ids, from_start, from_end = [1], [0], [-1], [-1]
        for slot, (index, parts) in enumerate(tokenizer.digit_comma_parts.items(), start=1):
            slots[index] = slot
            lengths.append(len(parts))
            ids += tokenizer.pieces_to_ids(part.piece for part in parts)
            left = sum(part.length for part in parts)
            for part in parts:
                from_start.append(left)
                left -= part.length
                from_end.append(left)
        # A tensor outside of any graph is one that all graphs share.
        with tf.init_scope(), tf.device("CPU:0"):
            self._slots = tf.constant(slots)
        self._lengths = np.array(lengths, np.int32)
        self._firsts = np.cumsum([0, *lengths[:-1]], dtype=np.int32)
        self._ids = np.array(ids, np.int32)
        self._from_start = np.array(from_start, np.int32)
        self._from_end = np.array(from_end, np.int32)

    def expand(self, ids: tf.Tensor, row_splits: tf.Tensor) -> Expanded:
        """Applies the rule.

        Args:
          ids: int32 [T].
          row_splits: int64, over T.
        """
        slots = tf.gather(self._slots, ids)  # [T]

        def unchanged() -> Expanded:
            alone = tf.fill(tf.shape(ids), -1)
            return Expanded(ids, tf.range(tf.size(ids)), alone, alone, row_splits)

        # Few batches hold such a piece.
        return tf.cond(
            tf.reduce_any(slots > 0), lambda: self._expand(ids, slots, row_splits), unchanged
        )

    def _expand(self, ids: tf.Tensor, slots: tf.Tensor, row_splits: tf.Tensor) -> Expanded:
        lengths = tf.gather(self._lengths, slots)  # [T]
        begins = tf.concat([[0], tf.cumsum(lengths)], 0)  # [T + 1]
        source = tf.repeat(tf.range(tf.size(ids)), lengths)  # [U]
        within = tf.range(tf.size(source)) - tf.gather(begins, source)
        slots = tf.gather(slots, source)  # [U]
        entry = tf.gather(self._firsts, slots) + within  # [U]
        new_ids = tf.where(slots > 0, tf.gather(self._ids, entry), tf.gather(ids, source))
        return Expanded(
            new_ids,
            source,
            tf.gather(self._from_start, entry),
            tf.gather(self._from_end, entry),
            tf.cast(tf.gather(begins, row_splits), row_splits.dtype),
        )
