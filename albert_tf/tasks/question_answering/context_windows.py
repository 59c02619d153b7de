"""Splits the context of one question into windows, in the graph, for `ServedQuestionAnswering`.

The windows are the same as in `span_windows`. No tensor grows with the length of the context times
the number of windows, so that a context may be very long. Letters: T tokens of the context, W
windows, C context tokens of a window.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from albert_tf.modeling.parts import in_parts
from albert_tf.tokenization.graph import windows as text_windows
from albert_tf.tokenization.packing import special_count
from albert_tf.tokenization.special_ids import SpecialIds

# The bytes of the window texts from which spans are cut at once.
_BYTES = 1 << 24


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
    step = text_windows.steps(capacity, doc_stride)
    firsts = tf.range(text_windows.counts(count, capacity, doc_stride)) * step  # [W]
    lengths = tf.minimum(firsts + capacity, count) - firsts
    places = tf.range(tf.reduce_max(lengths))  # [C]
    exists = places < lengths[:, tf.newaxis]  # [W, C]
    index = tf.where(exists, firsts[:, tf.newaxis] + places, 0)
    widest = _widest(lengths[:, tf.newaxis], index, exists, count)
    return Windows(tf.size(query) + 2, index, exists, widest)


def positions(count: tf.Tensor, query: tf.Tensor, seq_length: int, doc_stride: int) -> tf.Tensor:
    """Returns the number of tokens in all windows of each context, int64 [B].

    Args:
      count: T of each context, int64 [B].
      query: the number of tokens of each question, int64 [B].
      seq_length: see `cut`.
      doc_stride: see `cut`.
    """
    repeated = query + special_count(2)
    return text_windows.positions(count, seq_length - repeated, doc_stride, repeated)


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


class Texts(NamedTuple):
    """The text of each window: string [W], and the byte of the context where it begins, int64 [W].

    `substr` copies its input for each span, so spans are cut from windows, not from the context.
    """

    parts: tf.Tensor
    begins: tf.Tensor

    def spans(self, window: tf.Tensor, first: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
        """Returns the texts of spans, string [M], without white space at their ends.

        Args:
          window: the window of each span, int32 [M].
          first: the bytes where the spans begin, int64 [M].
          last: the bytes where the spans end, int64 [M].
        """
        places = first - tf.gather(self.begins, window)
        spans = tf.strings.substr(tf.gather(self.parts, window), places, last - first)
        return tf.strings.strip(spans)

    def keys(self, window: tf.Tensor, first: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
        """Returns a number for each of the same spans, int64 [M], equal if the texts are equal.

        Empty texts have -1. A token can be as long as the context, so not all texts exist at once.
        """

        def of_some(*spans: tf.Tensor) -> dict[str, tf.Tensor]:
            texts = self.spans(*spans)
            keys = tf.strings.to_hash_bucket_fast(texts, tf.int64.max)
            return {"keys": tf.where(tf.equal(texts, ""), tf.constant(-1, tf.int64), keys)}

        longest = tf.reduce_max(tf.strings.length(self.parts))
        outputs = {"keys": tf.TensorSpec([None], tf.int64)}
        return in_parts(
            of_some, [window, first, last], outputs, _BYTES // tf.clip_by_value(longest, 1, _BYTES)
        )["keys"]


def texts(windows: Windows, context: tf.Tensor, tokens: tuple[tf.Tensor, tf.Tensor]) -> Texts:
    """Returns the texts of all windows.

    Args:
      windows: the result of `cut`.
      context: the text, a scalar.
      tokens: the bytes where the context tokens begin and end, int64 [T] each.
    """
    begins, limits = (tf.gather(places, windows.index) for places in tokens)  # [W, C]
    size = tf.cast(tf.strings.length(context), tf.int64)
    begins = tf.minimum(tf.reduce_min(tf.where(windows.exists, begins, size), 1), size)  # [W]
    limits = tf.maximum(tf.reduce_max(tf.where(windows.exists, limits, 0), 1), begins)
    parts = tf.map_fn(
        lambda part: tf.strings.substr(context, part[0], part[1] - part[0]),
        (begins, limits),
        fn_output_signature=tf.string,
    )
    return Texts(parts, begins)


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
