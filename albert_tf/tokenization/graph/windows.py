"""Cuts texts into the windows of `tokenization/windows.py` inside a graph.

Shapes: B texts; W the windows of all texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from albert_tf.tokenization.packing import special_count


def counts(length: tf.Tensor, capacity: tf.Tensor, stride: int) -> tf.Tensor:
    """Returns the number of windows of each text; all arguments as in `windows.parts`."""
    step = steps(capacity, stride)
    return 1 + (tf.maximum(length - capacity, 0) + step - 1) // step


def positions(
    length: tf.Tensor, capacity: tf.Tensor, stride: int, repeated: tf.Tensor
) -> tf.Tensor:
    """Returns the number of tokens in all windows of each text.

    Args:
      length: the number of tokens of each text.
      capacity: the maximum number of them in a window.
      stride: the number of tokens from the start of one window to the next.
      repeated: the number of other tokens of each window.
    """
    number = counts(length, capacity, stride)  # All windows except the last are full.
    return number * repeated + length + (number - 1) * (capacity - steps(capacity, stride))


def steps(capacity: tf.Tensor, stride: int) -> tf.Tensor:
    """Returns the number of tokens from the start of one window to the next."""
    return tf.minimum(tf.cast(stride, capacity.dtype), capacity)


class Plan(NamedTuple):
    """How texts or pairs are cut, int64 [B] each.

    Attributes:
      longer: the index of the segment that is cut into windows.
      kept: the number of tokens of the other segment, which each window repeats.
      capacity: the maximum number of tokens of the longer segment in a window.
      counts: the number of windows.
      positions: the number of tokens in all windows, with special tokens.
    """

    longer: tf.Tensor
    kept: tf.Tensor
    capacity: tf.Tensor
    counts: tf.Tensor
    positions: tf.Tensor


def plan(segments: Sequence[tf.RaggedTensor], seq_length: int, stride: int) -> Plan:
    """Returns how one or two segments, int32 [B, (tokens)] each, are cut.

    Args:
      segments: the tokens of the texts.
      seq_length: the maximum number of tokens of a window, with special tokens.
      stride: see `positions`.
    """
    special = special_count(len(segments))
    budget = seq_length - special
    lengths = [segment.row_lengths() for segment in segments]
    length, kept, longer = lengths[0], tf.zeros_like(lengths[0]), tf.zeros_like(lengths[0])
    if len(segments) > 1:
        longer = tf.cast(lengths[1] >= lengths[0], tf.int64)
        length, other = tf.maximum(*lengths), tf.minimum(*lengths)
        fits = length + other <= budget
        kept = tf.where(fits, other, tf.minimum(other, budget // 2))
    capacity = budget - kept
    return Plan(
        longer,
        kept,
        capacity,
        counts(length, capacity, stride),
        positions(length, capacity, stride, kept + special),
    )


def cut(
    segments: Sequence[tf.RaggedTensor], plan: Plan, stride: int
) -> tuple[list[tf.RaggedTensor], tf.Tensor]:
    """Returns the segments of all windows, int32 [W, (tokens)], and the text of each, int32 [W].

    Args:
      segments: the tokens of the texts, int32 [B, (tokens)].
      plan: the result of `plan` for them.
      stride: see `positions`.
    """
    text = tf.repeat(tf.range(tf.size(plan.counts)), plan.counts)  # [W]
    number = tf.ragged.range(plan.counts, row_splits_dtype=tf.int64).values  # [W]
    first = number * tf.gather(steps(plan.capacity, stride), text)
    longer, kept, capacity = (tf.gather(x, text) for x in (plan.longer, plan.kept, plan.capacity))
    rows = []
    for index, segment in enumerate(segments):
        is_longer = tf.equal(longer, index)
        begin = tf.where(is_longer, first, 0)
        room = tf.where(is_longer, capacity, kept)
        end = tf.minimum(begin + room, tf.gather(segment.row_lengths(), text))
        start = tf.gather(segment.row_starts(), text)
        places = tf.ragged.range(start + begin, start + end, row_splits_dtype=tf.int64)
        rows.append(places.with_flat_values(tf.gather(segment.values, places.values)))
    return rows, text
