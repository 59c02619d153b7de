"""Splits the context of one question into windows, in the graph, for `ServedQuestionAnswering`.

The windows are the same as in `span_windows`. No tensor grows with the length of the context times
the number of windows, so that a context may be very long. Letters: T tokens of the context, W
windows, C context tokens of a window.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from albert_tf.tokenization.packing import special_count
from albert_tf.tokenization.special_ids import SpecialIds


class Windows(NamedTuple):
    """The windows of a context.

    Attributes:
      begin: the position of the first context token in each row of ids.
      index: the index of the context token at each place, int32 [W, C].
      exists: whether there is a token at each place, bool [W, C].
      widest: whether this is the widest window for the token, bool [W, C].
    """

    begin: tf.Tensor
    index: tf.Tensor
    exists: tf.Tensor
    widest: tf.Tensor


def cut(count: tf.Tensor, query: tf.Tensor, seq_length: int, doc_stride: int) -> Windows:
    """Returns the windows, at least one.

    Args:
      count: T.
      query: the tokens of the question, int32 [Q].
      seq_length: the maximum number of tokens of a row.
      doc_stride: the number of tokens from the start of one window to the next.
    """
    capacity = seq_length - tf.size(query) - special_count(2)
    step = tf.minimum(doc_stride, capacity)
    more = tf.maximum(count - capacity, 0)
    firsts = tf.range(1 + (more + step - 1) // step) * step  # [W]
    lengths = tf.minimum(firsts + capacity, count) - firsts
    places = tf.range(tf.reduce_max(lengths))  # [C]
    exists = places < lengths[:, tf.newaxis]  # [W, C]
    index = tf.where(exists, firsts[:, tf.newaxis] + places, 0)
    widest = _widest(lengths[:, tf.newaxis], index, exists, count)
    return Windows(tf.size(query) + 2, index, exists, widest)


def rows(
    windows: Windows, query: tf.Tensor, tokens: tf.Tensor, special: SpecialIds
) -> list[tf.Tensor]:
    """Returns ids, mask and types, int32 [W, S]: [CLS] query [SEP] window [SEP].

    Args:
      windows: the result of `cut`.
      query: the tokens of the question, int32 [Q].
      tokens: the tokens of the context, int32 [T].
      special: the special ids.
    """
    lengths = tf.reduce_sum(tf.cast(windows.exists, tf.int32), 1, keepdims=True)  # [W, 1]
    front = tf.concat([[special.cls], query, [special.sep]], 0)
    front = tf.tile(front[tf.newaxis], [tf.size(lengths), 1])
    places = tf.range(tf.shape(windows.index)[1] + 1)  # [C + 1]
    ids = tf.gather(tf.concat([tokens, [special.pad]], 0), windows.index)
    ids = tf.where(places < lengths, tf.pad(ids, [[0, 0], [0, 1]]), special.pad)
    ids = tf.where(tf.equal(places, lengths), special.sep, ids)
    real = tf.cast(places <= lengths, tf.int32)
    return [
        tf.concat([front, ids], 1),
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
    """Returns the texts of spans, string [M], without white space at their ends.

    Args:
      windows: the result of `cut`.
      context: the text, a scalar.
      tokens: the bytes where the context tokens begin and end, int64 [T] each.
      window: the window of each span, int32 [M].
      spans: the bytes where the spans begin and end, int64 [M] each.
    """
    begins, limits = (tf.gather(places, windows.index) for places in tokens)  # [W, C]
    size = tf.cast(tf.strings.length(context), tf.int64)
    begins = tf.minimum(tf.reduce_min(tf.where(windows.exists, begins, size), 1), size)  # [W]
    limits = tf.maximum(tf.reduce_max(tf.where(windows.exists, limits, 0), 1), begins)
    # `substr` copies its input for each span, so it gets the text of a window, not the context.
    parts = tf.map_fn(
        lambda part: tf.strings.substr(context, part[0], part[1] - part[0]),
        (begins, limits),
        fn_output_signature=tf.string,
    )
    first, last = spans
    spans = tf.strings.substr(
        tf.gather(parts, window), first - tf.gather(begins, window), last - first
    )
    return tf.strings.strip(spans)


def _widest(lengths: tf.Tensor, index: tf.Tensor, exists: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Returns `Windows.widest` for windows with the given lengths, int32 [W, 1]."""
    windows, places = tf.meshgrid(*map(tf.range, tf.unstack(tf.shape(index))), indexing="ij")
    scores = tf.cast(tf.minimum(places, lengths - 1 - places), tf.float64)  # [W, C]
    # As in the original, a longer window wins a tie, then an earlier one.
    scores = tf.where(exists, scores + 0.01 * tf.cast(lengths, tf.float64), -1.0)
    most = tf.math.unsorted_segment_max(scores, index, count)  # [T]
    best = exists & tf.equal(scores, tf.gather(most, index))
    candidates = tf.where(best, windows, windows.dtype.max)
    first = tf.math.unsorted_segment_min(candidates, index, count)  # [T]
    return best & tf.equal(tf.gather(first, index), windows)
