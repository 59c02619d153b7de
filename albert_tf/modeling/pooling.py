"""Means of the vectors of tokens."""

from __future__ import annotations

import tensorflow as tf


def mean_of_tokens(vectors: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the mean of the vectors of real tokens, [B, H]; 0 for a row without any.

    Args:
      vectors: float [B, S, H].
      mask: 1 for tokens and 0 for padding, or other weights, [B, S]; None counts all.
    """
    if mask is None:
        return tf.reduce_mean(vectors, axis=1)
    weights = tf.cast(mask, vectors.dtype)[:, :, tf.newaxis]  # [B, S, 1]
    count = tf.maximum(tf.reduce_sum(weights, axis=1), 1.0)  # [B, 1]
    return tf.reduce_sum(vectors * weights, axis=1) / count
