"""A Transformer block: attention and a feed-forward network, each with residual and norm."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras
from official.modeling import tf_utils

from albert_tf.modeling.attention import FusedProjection, SelfAttention
from albert_tf.modeling.layers import (
    Activation,
    Dropout,
    LayerNorm,
    build_parts,
    function_of,
    get_activation,
)
from albert_tf.modeling.padding_removal import Probabilities, TokenLayout


class TransformerBlock(tf_keras.layers.Layer):
    """A post-norm Transformer block as in the original, or pre-norm with `norm_first`.

    Dense layers run on 2-D rows, where TensorFlow on a CPU fuses matrix product, bias and
    activation. Inputs and outputs are those of `SelfAttention`.
    Source: original modeling.py:attention_ffn_block.
    """

    def __init__(
        self,
        hidden_size: int,
        num_attention_heads: int,
        intermediate_size: int,
        activation: str | Activation,
        dropout_rate: float,
        attention_dropout_rate: float,
        initializer: Any,
        norm_first: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_size, self.intermediate_size = hidden_size, intermediate_size
        self.norm_first = norm_first

        # === Layers ===
        self.attention = SelfAttention(
            hidden_size, num_attention_heads, attention_dropout_rate, initializer, name="attention"
        )
        self.attention_norm = LayerNorm("attention_layer_norm")
        self.intermediate = tf_keras.layers.Dense(
            intermediate_size,
            activation=get_activation(activation),
            kernel_initializer=tf_utils.clone_initializer(initializer),
            name="intermediate",
        )
        self.feed_forward_output = tf_keras.layers.Dense(
            hidden_size, kernel_initializer=tf_utils.clone_initializer(initializer), name="output"
        )
        self.output_norm = LayerNorm("output_layer_norm")
        self.dropout = Dropout(dropout_rate)

    def build(self, input_shape: Any) -> None:
        build_parts(
            (self.attention, self.hidden_size),
            (self.attention_norm, self.hidden_size),
            (self.intermediate, self.hidden_size),
            (self.feed_forward_output, self.intermediate_size),
            (self.output_norm, self.hidden_size),
        )
        super().build(input_shape)

    def call(
        self,
        x: tf.Tensor,
        layout: TokenLayout,
        fused: FusedProjection | None,
        output_range: int | None = None,
        head_mask: tf.Tensor | None = None,
        training: bool = False,
    ) -> tuple[tf.Tensor, Probabilities]:
        residual = layout.select(x, output_range)
        if self.norm_first:
            x = self._normalize(self.attention_norm, x)
        y, probabilities = self.attention(
            x, layout, fused, output_range, head_mask, training=training
        )
        y = residual + self.dropout(y, training=training)  # [T, H]
        if not self.norm_first:
            y = self._normalize(self.attention_norm, y)
        z = self._normalize(self.output_norm, y) if self.norm_first else y
        z = function_of(self.intermediate)(z)  # [T, F]
        z = function_of(self.feed_forward_output)(z)  # [T, H]
        y = y + self.dropout(z, training=training)
        if not self.norm_first:
            y = self._normalize(self.output_norm, y)
        return y, probabilities

    def _normalize(self, norm: tf_keras.layers.Layer, x: tf.Tensor) -> tf.Tensor:
        return tf.cast(function_of(norm)(x), self.compute_dtype)
