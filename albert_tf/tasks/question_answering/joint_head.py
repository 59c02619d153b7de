"""`JointSpanHead`, for questions that may have no answer: start, end given start, and no answer.

B is the batch, S the sequence, H the hidden size, K and L the beam sizes of starts and ends.
Source: original squad_utils.py:create_v2_model.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras
from official.modeling import tf_utils

from albert_tf.modeling.layers import Dropout, LayerNorm, build_parts, policy_of


def answer_positions(type_ids: tf.Tensor) -> tf.Tensor:
    """Returns the positions of possible answers, bool [B, S]: the context, and [CLS] for none.

    Args:
      type_ids: int32 [B, S], 1 for the context and the [SEP] after it, 0 elsewhere.
    """
    is_context = tf.equal(type_ids, 1)
    # The last position with type id 1 is [SEP], which cannot be part of an answer.
    next_too = tf.pad(is_context[:, 1:], [[0, 0], [0, 1]])
    first = tf.one_hot(tf.zeros_like(type_ids[:, 0]), tf.shape(type_ids)[1], True, False)
    return tf.logical_or(tf.logical_and(is_context, next_too), first)


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class JointSpanHead(tf_keras.layers.Layer):
    """Predicts starts, ends conditioned on a start, and whether there is an answer.

    Inputs: `sequence_output` [B, S, H]; `allowed` bool [B, S], the result of `answer_positions`;
    and `start_positions` int32 [B], the true starts, or None. Outputs, float32 or int32:
      always: `impossible_logits` [B], above 0 if no answer is more likely than an answer;
      with `start_positions`: `start_log_probs` and `end_log_probs` [B, S], ends given these starts;
      unless training: `start_top_log_probs` and `start_top_index` [B, K], the best starts, and
      `end_top_log_probs` and `end_top_index` [B, K, L], the best ends of each start.

    Args:
      hidden_size: the hidden size of the encoder.
      initializer: the initializer of the kernels.
      dropout_rate: the dropout rate before the no-answer prediction; 0.1 in the original.
      start_n_top: K; smaller if the sequence is shorter.
      end_n_top: L; smaller if the sequence is shorter.
    """

    def __init__(
        self,
        hidden_size: int,
        initializer: Any = "glorot_uniform",
        dropout_rate: float = 0.1,
        start_n_top: int = 5,
        end_n_top: int = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._hidden_size = hidden_size
        self._beams = start_n_top, end_n_top

        # === Layers ===
        def dense(name: str, units: int, **options: Any) -> tf_keras.layers.Dense:
            kernel = tf_utils.clone_initializer(tf_keras.initializers.get(initializer))
            return tf_keras.layers.Dense(units, kernel_initializer=kernel, name=name, **options)

        with policy_of(self):
            self.start = dense("start", 1)
            self.end_hidden = dense("end_hidden", hidden_size)  # `_end_log_probs` applies tanh.
            self.end_norm = LayerNorm("end_norm")
            self.end = dense("end", 1)
            self.impossible_hidden = dense("impossible_hidden", hidden_size, activation="tanh")
            self.dropout = Dropout(dropout_rate)
            self.impossible = dense("impossible", 1, use_bias=False)

    def build(self, input_shape: Any) -> None:
        width = self._hidden_size
        build_parts((self.start, width), (self.end_hidden, 2 * width), (self.end_norm, width))
        build_parts((self.end, width), (self.impossible_hidden, 2 * width))
        build_parts((self.impossible, width))
        super().build(input_shape)

    def call(
        self,
        sequence_output: tf.Tensor,
        allowed: tf.Tensor,
        start_positions: tf.Tensor | None = None,
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        start_log_probs = _log_probs(self.start(sequence_output)[..., 0], allowed)  # [B, S]
        outputs = {
            "impossible_logits": self._impossible_logits(
                sequence_output, tf.exp(start_log_probs), training
            )
        }
        if start_positions is not None:
            ends = self._end_log_probs(sequence_output, start_positions[:, None], allowed)
            outputs["start_log_probs"] = start_log_probs
            outputs["end_log_probs"] = ends[:, 0]  # [B, S]
        if not training:
            starts = _top(start_log_probs, self._beams[0])
            ends = _top(
                self._end_log_probs(sequence_output, starts.indices, allowed), self._beams[1]
            )
            outputs["start_top_log_probs"], outputs["start_top_index"] = starts
            outputs["end_top_log_probs"], outputs["end_top_index"] = ends
        return outputs

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "hidden_size": self._hidden_size,
            "initializer": tf_keras.initializers.serialize(self.start.kernel_initializer),
            "dropout_rate": self.dropout.rate,
            "start_n_top": self._beams[0],
            "end_n_top": self._beams[1],
        }

    def _end_log_probs(
        self, sequence_output: tf.Tensor, starts: tf.Tensor, allowed: tf.Tensor
    ) -> tf.Tensor:
        """Returns the log-probabilities [B, K, S] of the ends for each of `starts` [B, K]."""
        # The product of the kernel with [token; start] is the sum of two products. The product with
        # the tokens is the same for all starts.
        kernel = tf.cast(self.end_hidden.kernel, self.compute_dtype)
        of_token, of_start = tf.split(kernel, 2)  # [H, H] each
        tokens = tf.matmul(sequence_output, of_token)  # [B, S, H]
        begins = tf.gather(sequence_output, starts, batch_dims=1)  # [B, K, H]
        begins = tf.matmul(begins, of_start) + tf.cast(self.end_hidden.bias, self.compute_dtype)
        hidden = tf.tanh(tokens[:, None] + begins[:, :, None])  # [B, K, S, H]
        # The norm was built for rows and accepts no other rank.
        rows = self.end_norm(tf.reshape(hidden, [-1, self._hidden_size]))  # [B*K*S, H]
        logits = self.end(tf.cast(rows, self.compute_dtype))  # [B*K*S, 1]
        return _log_probs(tf.reshape(logits, tf.shape(hidden)[:-1]), allowed[:, None])  # [B, K, S]

    def _impossible_logits(
        self, sequence_output: tf.Tensor, start_probs: tf.Tensor, training: bool
    ) -> tf.Tensor:
        start_probs = tf.cast(start_probs, sequence_output.dtype)
        expected_start = tf.matmul(start_probs[:, tf.newaxis], sequence_output)[:, 0]  # [B, H]
        both = tf.concat([expected_start, sequence_output[:, 0]], -1)  # [B, 2H]
        hidden = self.dropout(self.impossible_hidden(both), training=training)
        return tf.cast(self.impossible(hidden)[:, 0], tf.float32)  # [B]


def _log_probs(logits: tf.Tensor, allowed: tf.Tensor) -> tf.Tensor:
    logits = tf.where(allowed, tf.cast(logits, tf.float32), -1e30)
    return tf.nn.log_softmax(logits)


def _top(scores: tf.Tensor, count: int) -> Any:
    """Returns the best `count` values of the last axis, or all if there are fewer."""
    return tf.math.top_k(scores, tf.minimum(count, tf.shape(scores)[-1]))
