"""Multi-head self-attention as 2-D matrix products."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras
from official.modeling import tf_utils

from albert_tf.modeling.building import build_parts
from albert_tf.modeling.dropout import Dropout

# Added to the scores of keys that are padding, after scaling (original modeling.py:
# dot_product_attention). Finite in float16. A row without any attended position attends to all.
MASK_BIAS = -10000.0


class FusedProjection(NamedTuple):
    """Query, key and value side by side: `kernel` [H, 3H] and `bias` [3H]."""

    kernel: tf.Tensor
    bias: tf.Tensor


def mask_to_bias(mask: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns what is added to the scores: 0 where `mask` [B, S] is 1, `MASK_BIAS` where it is 0.

    Output: [B, 1, 1, S] of `dtype`.
    """
    bias = (1.0 - tf.cast(mask, dtype)) * tf.cast(MASK_BIAS, dtype)  # [B, S]
    return bias[:, tf.newaxis, tf.newaxis, :]


class SelfAttention(tf_keras.layers.Layer):
    """Self-attention with one product for query, key and value.

    The three kernels are variables of their own, for converters and optimizers; the caller joins
    them once a forward pass (`fused_projection`) and passes the result to every application, as
    all layers of a group share it.

    Inputs: [B, S, H], the bias [B, 1, 1, S], and optionally `head_mask` float [N], which scales the
    shares of each head after dropout. Outputs: [B * Q, H] with Q = S, or `output_range` if given,
    and the attention probabilities [B, N, Q, S]. Source: Lan et al. 2020, section 3; original
    modeling.py:attention_layer.
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

    def fused_projection(self) -> FusedProjection:
        """Joins the three projections; call it inside the `call` of an enclosing layer."""
        parts = (self.query, self.key, self.value)
        return FusedProjection(
            tf.concat([p.kernel for p in parts], axis=1), tf.concat([p.bias for p in parts], axis=0)
        )

    def call(
        self,
        x: tf.Tensor,
        bias: tf.Tensor,
        fused: FusedProjection,
        output_range: int | None = None,
        head_mask: tf.Tensor | None = None,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        batch, length = tf.shape(x)[0], tf.shape(x)[1]
        rows = tf.reshape(x, [-1, self.hidden_size])  # [B*S, H]
        qkv = tf.nn.bias_add(rows @ fused.kernel, fused.bias)  # [B*S, 3H]
        qkv = tf.reshape(qkv, [batch, length, 3, self.num_heads, self.head_size])
        query, key, value = tf.unstack(tf.transpose(qkv, [2, 0, 3, 1, 4]))  # 3 x [B, N, S, D]
        query = query[:, :, :output_range]  # [B, N, Q, D]
        scores = tf.matmul(query, key, transpose_b=True)  # [B, N, Q, S]
        scores = scores * (self.head_size**-0.5) + bias
        probabilities = tf.nn.softmax(tf.cast(scores, tf.float32))
        probabilities = tf.cast(probabilities, value.dtype)
        shares = self.dropout(probabilities, training=training)
        if head_mask is not None:
            shares *= tf.cast(head_mask, shares.dtype)[:, tf.newaxis, tf.newaxis]
        context = shares @ value  # [B, N, Q, D]
        context = tf.transpose(context, [0, 2, 1, 3])  # [B, Q, N, D]
        context = tf.reshape(context, [-1, self.hidden_size])  # [B*Q, H]
        return self.attention_output(context), probabilities
