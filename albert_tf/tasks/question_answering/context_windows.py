"""A context in windows: what `ServedQuestionAnswering` asks the model, for one question.

The same windows as `span_windows` makes, inside a graph. Nothing here grows with the
length of the context times the number of windows, so that a context may be very long. Letters: T
tokens of the context, W windows, C context tokens of a window.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from albert_tf.tokenization.packing import special_count
from albert_tf.tokenization.special_ids import SpecialIds


class Windows(NamedTuple):
    """The windows of a context.

    Attributes:
      begin: where the context begins in each row of ids.
      index: which token of the context stands where, int32 [W, C].
      there: whether one stands there, bool [W, C].
      widest: whether it has more context here than in other windows, bool [W, C].
    """

    begin: tf.Tensor
    index: tf.Tensor
    there: tf.Tensor
    widest: tf.Tensor


def cut(count: tf.Tensor, query: tf.Tensor, seq_length: int, doc_stride: int) -> Windows:
    """Returns the windows, one at least.

    Args:
      count: T.
      query: tokens of the question, int32 [Q].
      seq_length: tokens of a row.
      doc_stride: tokens from the begin of one window to the next.
    """
    capacity = seq_length - tf.size(query) - special_count(2)
    step = tf.minimum(doc_stride, capacity)
    more = tf.maximum(count - capacity, 0)
    firsts = tf.range(1 + (more + step - 1) // step) * step  # [W]
    lengths = tf.minimum(firsts + capacity, count) - firsts
    places = tf.range(tf.reduce_max(lengths))  # [C]
    there = places < lengths[:, tf.newaxis]  # [W, C]
    index = tf.where(there, firsts[:, tf.newaxis] + places, 0)
    widest = _widest(lengths[:, tf.newaxis], index, there, count)
    return Windows(tf.size(query) + 2, index, there, widest)


def rows(
    windows: Windows, query: tf.Tensor, tokens: tf.Tensor, special: SpecialIds
) -> list[tf.Tensor]:
    """Returns ids, mask and types, int32 [W, S]: [CLS] query [SEP] window [SEP].

    Args:
      windows: of `cut`.
      query: tokens of the question, int32 [Q].
      tokens: of the context, int32 [T].
      special: the special ids.
    """
    lengths = tf.reduce_sum(tf.cast(windows.there, tf.int32), 1, keepdims=True)  # [W, 1]
    front = tf.concat([[special.cls], query, [special.sep]], 0)
    front = tf.tile(front[tf.newaxis], [tf.size(lengths), 1])
    places = tf.range(tf.shape(windows.index)[1] + 1)  # [C + 1]
    found = tf.gather(tf.concat([tokens, [special.pad]], 0), windows.index)
    found = tf.where(places < lengths, tf.pad(found, [[0, 0], [0, 1]]), special.pad)
    found = tf.where(tf.equal(places, lengths), special.sep, found)
    real = tf.cast(places <= lengths, tf.int32)
    return [
        tf.concat([front, found], 1),
        tf.concat([tf.ones_like(front), real], 1),
        tf.concat([tf.zeros_like(front), real], 1),
    ]


def texts(
    windows: Windows,
    context: tf.Tensor,
    tokens: tuple[tf.Tensor, tf.Tensor],
    window: tf.Tensor,
    spans: tuple[tf.Tensor, tf.Tensor],
) -> tf.Tensor:
    """Returns spans of the context, white space stripped, string [M].

    Args:
      windows: of `cut`.
      context: the text, a scalar.
      tokens: where its tokens begin and end in bytes, int64 [T] each.
      window: that of each span, int32 [M].
      spans: where they begin and end in bytes, int64 [M] each.
    """
    begins, limits = (tf.gather(places, windows.index) for places in tokens)  # [W, C]
    size = tf.cast(tf.strings.length(context), tf.int64)
    begins = tf.minimum(tf.reduce_min(tf.where(windows.there, begins, size), 1), size)  # [W]
    limits = tf.maximum(tf.reduce_max(tf.where(windows.there, limits, 0), 1), begins)
    # `substr` of many spans copies its text for each: windows, not the whole context.
    parts = tf.map_fn(
        lambda part: tf.strings.substr(context, part[0], part[1] - part[0]),
        (begins, limits),
        fn_output_signature=tf.string,
    )
    first, last = spans
    found = tf.strings.substr(
        tf.gather(parts, window), first - tf.gather(begins, window), last - first
    )
    return tf.strings.strip(found)


def _widest(lengths: tf.Tensor, index: tf.Tensor, there: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Returns `Windows.widest` for windows of some lengths, int32 [W, 1]."""
    windows, places = tf.meshgrid(*map(tf.range, tf.unstack(tf.shape(index))), indexing="ij")
    scores = tf.cast(tf.minimum(places, lengths - 1 - places), tf.float64)  # [W, C]
    # The original's tie-break: among equals, the longer window, then the earlier one.
    scores = tf.where(there, scores + 0.01 * tf.cast(lengths, tf.float64), -1.0)
    most = tf.math.unsorted_segment_max(scores, index, count)  # [T]
    best = there & tf.equal(scores, tf.gather(most, index))
    candidates = tf.where(best, windows, windows.dtype.max)
    first = tf.math.unsorted_segment_min(candidates, index, count)  # [T]
    return best & tf.equal(tf.gather(first, index), windows)
