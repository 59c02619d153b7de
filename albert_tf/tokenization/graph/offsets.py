"""The offsets of offsets.py as TensorFlow operations, counted in bytes of the original text.

Shapes: N characters of all normalised texts; T tokens before the digit-comma rule, U after it.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from albert_tf.tokenization.graph.alignment import Aligned
from albert_tf.tokenization.graph.digit_comma import Expanded
from albert_tf.tokenization.offsets import BLANKS

_LOWEST, _HIGHEST = np.array(BLANKS, np.int32).T


def locate(
    texts: tf.Tensor,
    aligned: Aligned,
    starts: tf.Tensor,
    limits: tf.Tensor,
    rows: tf.Tensor,
    expanded: Expanded,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns where tokens begin and end in the original texts, int64 [U] each, in bytes.

    Args:
      texts: the original texts, string [B].
      aligned: the normalised texts.
      starts: where tokens begin in the normalised texts, in bytes, int64 [T].
      limits: where tokens end in the normalised texts, in bytes, int64 [T].
      rows: the index of the text that each token belongs to, int64 [T].
      expanded: the tokens after the digit-comma rule.
    """
    begin, end = characters(aligned, starts, limits, rows)
    begin = tf.minimum(tf.gather(_next_visible(aligned.codes), begin), end)
    begin, end, row = (tf.gather(values, expanded.source) for values in (begin, end, rows))  # [U]
    parts = expanded.parts[:, tf.newaxis]
    first, last = tf.gather_nd(begin, parts), tf.gather_nd(end, parts)
    begin, end = (
        tf.tensor_scatter_nd_update(values, parts, tf.maximum(first, last - from_last))
        for values, from_last in ((begin, expanded.from_start), (end, expanded.from_end))
    )
    return _sources(texts, aligned, begin, end, row)


def characters(
    aligned: Aligned, starts: tf.Tensor, limits: tf.Tensor, row: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Converts byte offsets in the normalised texts to character indices, int32 [T] each."""
    codes = aligned.codes
    size = 1 + sum(tf.cast(codes > top, tf.int64) for top in (0x7F, 0x7FF, 0xFFFF))  # [N]
    before = tf.concat([[0], tf.cumsum(size)], 0)  # [N + 1], over all texts
    row_begin = tf.gather(tf.gather(before, aligned.row_splits), row)  # [T]
    return tuple(tf.searchsorted(before, row_begin + byte) for byte in (starts, limits))


def _next_visible(codes: tf.Tensor) -> tf.Tensor:
    """Returns, for each character, the index of the first nonblank from it on, int32 [N + 1]."""
    codes = codes[:, tf.newaxis]
    blank = tf.reduce_any(tf.logical_and(codes >= _LOWEST, codes <= _HIGHEST), 1)  # [N]
    count = tf.size(blank)
    visible = tf.cast(tf.where(tf.logical_not(blank))[:, 0], tf.int32)
    index = tf.searchsorted(visible, tf.range(count + 1))
    return tf.gather(tf.concat([visible, [count]], 0), index)


def _sources(
    texts: tf.Tensor, aligned: Aligned, begin: tf.Tensor, end: tf.Tensor, row: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the source of characters `begin` to `end` of the normalised texts."""
    size = tf.cast(tf.strings.length(texts), tf.int64)
    in_text = tf.cast(begin, tf.int64) < tf.gather(aligned.row_splits, row + 1)
    # One extra element, because the index may be one past the last character.
    start = tf.gather(tf.concat([aligned.starts, [0]], 0), begin)
    start = tf.where(in_text, start, tf.gather(size, row))
    limit = tf.gather(tf.concat([[0], aligned.limits], 0), end)
    return start, tf.where(begin < end, limit, start)
