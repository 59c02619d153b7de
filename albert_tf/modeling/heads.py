"""Pretraining heads on top of the encoder, shared by training and export."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras
from official.modeling import tf_utils

from albert_tf.modeling.layers import (
    Activation,
    LayerNorm,
    build_parts,
    get_activation,
    policy_of,
)


class MaskedLMHead(tf_keras.layers.Layer):
    """Masked language model head: vocabulary logits, with weights tied to the word table.

    Inputs: `sequence_output` [B, S, H] and `positions` int32 [B, P]; all positions without it, so
    that P is S. Output: float32 [B, P, V].
    It applies a dense layer to the embedding width, an activation and a layer norm, then
    multiplies by the transposed word table and adds a bias.
    Source: original run_pretraining.py:get_masked_lm_output.
    """

    def __init__(
        self,
        embedding_table: tf.Variable,
        hidden_size: int,
        activation: str | Activation = "gelu",
        initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._table = embedding_table
        self._hidden_size = hidden_size
        self._vocab_size, self._width = embedding_table.shape

        # === Layers ===
        kernel = tf_utils.clone_initializer(tf_keras.initializers.get(initializer))
        with policy_of(self):
            self.transform = tf_keras.layers.Dense(
                self._width,
                activation=get_activation(activation),
                kernel_initializer=kernel,
                name="transform",
            )
        self.norm = LayerNorm("layer_norm")

    def build(self, input_shape: Any) -> None:
        build_parts((self.transform, self._hidden_size), (self.norm, self._width))
        self._add_bias()
        super().build(input_shape)

    def _add_bias(self) -> None:
        self.output_bias = self.add_weight("output_bias", [self._vocab_size], initializer="zeros")

    def grow(self, embedding_table: tf.Variable) -> None:
        """Takes a word table with more rows; their biases are 0."""
        self._table, old = embedding_table, self.output_bias
        self._vocab_size = embedding_table.shape[0]
        self._add_bias()
        self.output_bias[: old.shape[0]].assign(old)

    def call(self, sequence_output: tf.Tensor, positions: tf.Tensor | None = None) -> tf.Tensor:
        if positions is not None:
            sequence_output = tf.gather(sequence_output, positions, batch_dims=1)  # [B, P, H]
        return self.logits(sequence_output)

    def logits(self, x: tf.Tensor) -> tf.Tensor:
        """Returns float32 [B, P, V] for vectors [B, P, H] that are already gathered."""
        rows = tf.reshape(x, [-1, self._hidden_size])  # [B*P, H]
        rows = tf.cast(self.norm(self.transform(rows)), self.compute_dtype)  # [B*P, E]
        table = tf.cast(self._table, self.compute_dtype)
        logits = tf.cast(tf.matmul(rows, table, transpose_b=True), tf.float32)  # [B*P, V]
        logits += tf.cast(self.output_bias, tf.float32)
        shape = tf.concat([tf.shape(x)[:2], [self._vocab_size]], 0)
        return tf.reshape(logits, shape)  # [B, P, V]


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class SentenceOrderHead(tf_keras.layers.Layer):
    """Sentence-order head: logits for two segments in order (0) or swapped (1).

    Input: `pooled_output` [B, H]. Output: float32 [B, 2].
    Source: Lan et al. 2020, section 3.1; original run_pretraining.py:get_sentence_order_output.
    """

    def __init__(
        self, hidden_size: int, initializer: Any = "glorot_uniform", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._hidden_size = hidden_size
        kernel = tf_utils.clone_initializer(tf_keras.initializers.get(initializer))
        with policy_of(self):
            self.classifier = tf_keras.layers.Dense(2, kernel_initializer=kernel, name="classifier")

    def build(self, input_shape: Any) -> None:
        build_parts((self.classifier, self._hidden_size))
        super().build(input_shape)

    def call(self, pooled_output: tf.Tensor) -> tf.Tensor:
        return tf.cast(self.classifier(pooled_output), tf.float32)

    def get_config(self) -> dict[str, Any]:
        initializer = tf_keras.initializers.serialize(self.classifier.kernel_initializer)
        arguments = dict(hidden_size=self._hidden_size, initializer=initializer)
        return {**super().get_config(), **arguments}
