"""`AlbertSpanLabeler`: predicts where an answer begins and ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.modeling.task_model import TaskModel, dense


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class AlbertSpanLabeler(TaskModel):
    """Predicts independent start and end scores for each position (original squad_utils.py, v1).

    Inputs: the encoder's dict; other entries are ignored. Outputs: a dict of `start_logits` and
    `end_logits`, float32 [B, S]. They cover all positions, including padding and the question; the
    caller excludes those that cannot be part of an answer.

    Args:
      config: the encoder's config.
      dropout_rate: the rate for the input of the head; 0 as in the original.
    """

    TASKS = ("question_answering",)

    def __init__(
        self,
        config: AlbertConfig | Mapping[str, Any],
        dropout_rate: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, dense(2, config, "span_labeler"), dropout_rate, **kwargs)

    def call(self, features: Mapping[str, tf.Tensor], training: bool = False) -> dict[str, Any]:
        sequence = self.encode(features, training)  # [B, S, H]
        logits = self.head(self.dropout(sequence, training=training))  # [B, S, 2]
        start, end = tf.unstack(logits, axis=-1)
        return {"start_logits": start, "end_logits": end}
