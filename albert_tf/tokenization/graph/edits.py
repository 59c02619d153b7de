"""Replaces a few of many tokens inside a graph.

Shapes: B texts; T tokens of all texts before the edits, U after them; E edits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf


def on_rows(
    tokens: tf.RaggedTensor,
    rare: tf.Tensor,
    function: Callable[[tf.RaggedTensor], tf.RaggedTensor],
) -> tf.RaggedTensor:
    """Applies `function` to the rows that contain a rare token, and returns all rows.

    Args:
      tokens: [B, (T)].
      rare: bool [T].
      function: takes some of the rows and returns the same number of rows.
    """

    def edited() -> tuple[tf.Tensor, tf.Tensor]:
        row = lower_bound(tokens.row_splits, tf.where(rare)[:, 0] + 1) - 1
        row = tf.unique(row).y
        new = function(tf.gather(tokens, row))
        count = tokens.nrows()
        # Append the new rows, then gather: each new row takes the place of the one it replaces.
        number = tf.tensor_scatter_nd_update(
            tf.range(count), row[:, tf.newaxis], count + tf.range(tf.size(row, tf.int64))
        )
        splits = tf.concat([tokens.row_splits, tokens.row_splits[-1] + new.row_splits[1:]], 0)
        values = tf.concat([tokens.values, new.values], 0)
        rows = tf.gather(tf.RaggedTensor.from_row_splits(values, splits, validate=False), number)
        return rows.values, rows.row_splits

    values, splits = tf.cond(
        tf.reduce_any(rare), edited, lambda: (tokens.values, tokens.row_splits)
    )
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False)


class Edited(NamedTuple):
    """The layout of the tokens after some were replaced.

    Attributes:
      source: the index of the token that each came from, int64 [U].
      begins: the index where each replacement begins, int64 [E].
      row_splits: int64 [B + 1], over U.
    """

    source: tf.Tensor
    begins: tf.Tensor
    row_splits: tf.Tensor


def edit(positions: tf.Tensor, lengths: tf.Tensor, row_splits: tf.Tensor) -> Edited:
    """Makes room for `lengths` tokens in place of each token at `positions`.

    Args:
      positions: int64 [E], ascending.
      lengths: int64 [E]; 0 removes the token.
      row_splits: int64 [B + 1], over T.
    """
    before = tf.concat([[0], tf.cumsum(lengths - 1)], 0)  # [E + 1]
    begins = positions + before[:-1]  # [E]
    total = row_splits[-1] + before[-1]  # U
    # The source is the index itself, shifted by -1 from each added token on and by +1 from each
    # removed token on.
    added = tf.ragged.range(begins + 1, begins + lengths).values
    removed = tf.gather(begins, tf.where(lengths == 0)[:, 0])
    steps = tf.concat([tf.ones_like(removed), -tf.ones_like(added)], 0)
    steps = tf.scatter_nd(tf.concat([removed, added], 0)[:, tf.newaxis], steps, [total + 1])
    source = tf.range(total) + tf.cumsum(steps)[:-1]
    moved = tf.gather(before, lower_bound(positions, row_splits))
    return Edited(source, begins, row_splits + moved)


def row_ids(row_splits: tf.Tensor) -> tf.Tensor:
    """Returns the index of the row that each value belongs to, int64 [T].

    `RaggedTensor.value_rowids` and `tf.repeat` first make a table with every row as long as the
    longest, which for one long text beside many short ones takes gigabytes.

    Args:
      row_splits: int64 [B + 1], over T.
    """
    return lower_bound(row_splits[1:], tf.range(1, row_splits[-1] + 1))


def lower_bound(ascending: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Counts the elements of `ascending` below each value; a faster tf.searchsorted."""
    return tf.raw_ops.LowerBound(
        sorted_inputs=ascending[tf.newaxis], values=values[tf.newaxis], out_type=tf.int64
    )[0]
