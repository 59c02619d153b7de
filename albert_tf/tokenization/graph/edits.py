"""Replacing few of many tokens inside a graph.

Shapes: B texts; T tokens of all texts together, U afterwards; E edits.
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
    """Returns the tokens with `function` run on those rows only that hold a rare one.

    Args:
      tokens: [B, (T)].
      rare: bool [T].
      function: gets some of the rows and returns as many.
    """

    def edited() -> tuple[tf.Tensor, tf.Tensor]:
        row = lower_bound(tokens.row_splits, tf.where(rare)[:, 0] + 1) - 1
        row = tf.unique(row).y
        new = function(tf.gather(tokens, row))
        count = tokens.nrows()
        # The new rows go behind all others, and take their place by their number.
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
    """Where tokens are after some were replaced.

    Attributes:
      source: the token that each came from, int64 [U].
      begins: where what replaces a token begins, int64 [E].
      row_splits: int64 [B + 1], over U.
    """

    source: tf.Tensor
    begins: tf.Tensor
    row_splits: tf.Tensor


def edit(positions: tf.Tensor, lengths: tf.Tensor, row_splits: tf.Tensor) -> Edited:
    """Makes room for `lengths` tokens in place of each of those at `positions`.

    Args:
      positions: int64 [E], ascending.
      lengths: int64 [E]; 0 removes the token.
      row_splits: int64 [B + 1], over T.
    """
    before = tf.concat([[0], tf.cumsum(lengths - 1)], 0)  # [E + 1]
    begins = positions + before[:-1]  # [E]
    total = row_splits[-1] + before[-1]  # U
    # Counting up gives the source, but for a step less at a token more, and a step more behind a
    # token that is gone.
    more = tf.ragged.range(begins + 1, begins + lengths).values
    gone = tf.gather(begins, tf.where(lengths == 0)[:, 0])
    steps = tf.concat([tf.ones_like(gone), -tf.ones_like(more)], 0)
    steps = tf.scatter_nd(tf.concat([gone, more], 0)[:, tf.newaxis], steps, [total + 1])
    source = tf.range(total) + tf.cumsum(steps)[:-1]
    moved = tf.gather(before, lower_bound(positions, row_splits))
    return Edited(source, begins, row_splits + moved)


def lower_bound(ascending: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Returns how many of `ascending` lie below each value; tf.searchsorted in fewer operations."""
    return tf.raw_ops.LowerBound(
        sorted_inputs=ascending[tf.newaxis], values=values[tf.newaxis], out_type=tf.int64
    )[0]
