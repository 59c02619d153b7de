"""Replacing few of many tokens inside a graph: the tokens in between are copied, not computed.

Shapes: B texts; T tokens of all texts together, U afterwards; E edits.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


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
    gone = tf.boolean_mask(begins, lengths == 0)
    steps = tf.concat([tf.ones_like(gone), -tf.ones_like(more)], 0)
    steps = tf.scatter_nd(tf.concat([gone, more], 0)[:, tf.newaxis], steps, [total + 1])
    source = tf.range(total) + tf.cumsum(steps)[:-1]
    moved = tf.gather(before, tf.searchsorted(positions, row_splits))
    return Edited(source, begins, row_splits + moved)
