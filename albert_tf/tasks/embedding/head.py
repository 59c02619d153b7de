"""`EmbeddingHead`: makes one vector of those of all tokens of a text."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.embedding_settings import EmbeddingSettings
from albert_tf.modeling.layers import build_parts, get_activation
from albert_tf.modeling.pooling import mean_of_tokens

_LOW = -1e9  # Below every value of a token, as in sentence-transformers.


class EmbeddingHead(tf_keras.layers.Layer):
    """Pools the vectors of tokens, applies dense layers, and keeps the first numbers.

    Inputs: the vectors of the last block, [B, S, H] or, for the modes that read only the first
    token, [B, 1, H]; the pooled output [B, H]; and the mask [B, S]. Output: float32 [B, D], which
    `finish` divides by its length, if the settings say so.

    Args:
      settings: what to compute.
      config: the config of the encoder.

    Attributes:
      settings: what is computed.
      modes: the modes of the pooling.
      normalize: whether `finish` divides vectors by their length.
      dense: the dense layers, in float32 as the heads of all tasks.
      size: D.
    """

    def __init__(self, settings: EmbeddingSettings, config: AlbertConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings, self.modes = settings, settings.pooling
        self.normalize, self.size = settings.normalize, settings.size(config.hidden_size)
        self.dense = [
            tf_keras.layers.Dense(
                layer.units,
                get_activation(layer.activation),
                layer.use_bias,
                tf_keras.initializers.TruncatedNormal(stddev=config.initializer_range),
                dtype=tf.float32,
                name=f"dense_{index}",
            )
            for index, layer in enumerate(settings.dense)
        ]

    def build(self, shape: Any) -> None:
        width = shape[-1] * len(self.modes)
        for layer in self.dense:
            build_parts((layer, width))
            width = layer.units
        self.built = True

    def call(self, vectors: tf.Tensor, pooled: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        vectors, pooled = tf.cast(vectors, tf.float32), tf.cast(pooled, tf.float32)
        weights = tf.cast(mask, tf.float32)[:, :, tf.newaxis]  # [B, S, 1]
        # In an empty row, all positions count; a row of a text has special tokens.
        parts = [self._part(mode, vectors, pooled, weights) for mode in self.modes]
        result = tf.concat(parts, axis=-1)  # [B, modes * H]
        for layer, settings in zip(self.dense, self.settings.dense):
            result = layer(_unit(result) if settings.normalize_input else result)  # [B, units]
        return result[:, : self.size]

    def finish(self, vectors: tf.Tensor) -> tf.Tensor:
        """Returns the vectors of texts, float32 [B, D], from outputs of the layer."""
        return _unit(vectors) if self.normalize else vectors

    def _part(
        self, mode: str, vectors: tf.Tensor, pooled: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        if mode == "pooled":
            return pooled
        if mode == "cls":
            return vectors[:, 0]
        if mode == "max":
            return tf.reduce_max(tf.where(weights > 0, vectors, _LOW), axis=1)
        if mode == "weighted_mean":  # Later tokens count more, as in SGPT (Muennighoff 2022).
            positions = tf.range(1, tf.shape(weights)[1] + 1)
            weights *= tf.cast(positions, tf.float32)[:, tf.newaxis]
        if mode == "last":
            count = tf.reduce_sum(tf.cast(weights[:, :, 0] > 0, tf.int32), axis=1)
            return tf.gather(vectors, tf.maximum(count - 1, 0), batch_dims=1)
        mean = mean_of_tokens(vectors, weights[:, :, 0])  # [B, H]
        if mode == "mean_sqrt_len":  # The sum, divided by the square root of the number.
            return mean * tf.sqrt(tf.maximum(tf.reduce_sum(weights, axis=1), 1.0))
        return mean


def _unit(vectors: tf.Tensor) -> tf.Tensor:
    return tf.math.l2_normalize(vectors, axis=-1, epsilon=1e-24)
