"""Multi-head self-attention with projections as 2-D matrix products."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras
from official.modeling import tf_utils

from albert_tf.modeling.layers import Dropout, build_parts, function_of
from albert_tf.modeling.padding_removal import Probabilities, TokenLayout


class FusedProjection(NamedTuple):
    """The query, key and value projections side by side: `kernel` [H, 3H] and `bias` [3H]."""

    kernel: tf.Tensor
    bias: tf.Tensor


class SelfAttention(tf_keras.layers.Layer):
    """Self-attention with a single matrix product for query, key and value.

    Converters and optimizers need the three kernels as separate variables. The caller therefore
    joins them once per forward pass (`fused_projection`) and passes the result to every layer of
    the group, since these layers share their weights.

    Inputs: rows [T, H], their layout, and optionally `head_mask` float [N], which scales the
    attention probabilities of each head after dropout. Outputs: the rows of the first
    `output_range` positions, or of all positions without it, and the attention probabilities
    [B, N, Q, S], which are () with padding removal.
    Source: Lan et al. 2020, section 3; original modeling.py:attention_layer.
    """

    def __init__(
        self,
        hidden_size: int,
        num_attention_heads: int,
        dropout_rate: float,
        initializer: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_size = hidden_size
        self.num_heads = num_attention_heads
        self.head_size = hidden_size // num_attention_heads

        def dense(name: str) -> tf_keras.layers.Dense:
            clone = tf_utils.clone_initializer(initializer)
            return tf_keras.layers.Dense(hidden_size, kernel_initializer=clone, name=name)

        # === Layers ===
        self.query, self.key, self.value = dense("query"), dense("key"), dense("value")
        self.attention_output = dense("output")
        self.dropout = Dropout(dropout_rate)

    def build(self, input_shape: Any) -> None:
        parts = (self.query, self.key, self.value, self.attention_output)
        build_parts(*((part, self.hidden_size) for part in parts))
        super().build(input_shape)

    def fused_projection(self) -> FusedProjection | None:
        """Joins the three projections. Call it inside the `call` method of an enclosing layer.

        Returns None if another product replaces them (`layers.replaced_by`).
        """
        if function_of(self) is not self:
            return None
        parts = (self.query, self.key, self.value)
        return FusedProjection(
            tf.concat([p.kernel for p in parts], axis=1), tf.concat([p.bias for p in parts], axis=0)
        )

    def call(
        self,
        x: tf.Tensor,
        layout: TokenLayout,
        fused: FusedProjection | None,
        output_range: int | None = None,
        head_mask: tf.Tensor | None = None,
        training: bool = False,
    ) -> tuple[tf.Tensor, Probabilities]:
        if fused is None:
            qkv = function_of(self)(x)  # [T, 3H]
        else:
            qkv = tf.nn.bias_add(x @ fused.kernel, fused.bias)  # [T, 3H]

        def attend(qkv: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return self._attend(qkv, bias, output_range, head_mask, training)

        context, probabilities = layout.attend(qkv, attend, output_range)
        return function_of(self.attention_output)(context), probabilities

    def _attend(
        self,
        qkv: tf.Tensor,
        bias: tf.Tensor,
        output_range: int | None,
        head_mask: tf.Tensor | None,
        training: bool,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns context [b, N, Q, D] and probabilities [b, N, Q, s] for `qkv` [3, b, N, s, D]."""
        query, key, value = tf.unstack(qkv)  # 3 x [b, N, s, D]
        query = query[:, :, :output_range]  # [b, N, Q, D]
        scores = tf.matmul(query, key, transpose_b=True)  # [b, N, Q, s]
        scores = scores * (self.head_size**-0.5) + bias
        probabilities = tf.nn.softmax(tf.cast(scores, tf.float32))
        probabilities = tf.cast(probabilities, value.dtype)
        dropped = self.dropout(probabilities, training=training)
        if head_mask is not None:
            dropped *= tf.cast(head_mask, dropped.dtype)[:, tf.newaxis, tf.newaxis]
        return dropped @ value, probabilities  # [b, N, Q, D]
