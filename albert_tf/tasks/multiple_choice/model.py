"""`AlbertMultipleChoice`: scores several continuations or answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.modeling.inputs import joined, named
from albert_tf.modeling.task_model import DROPOUT, TaskModel, dense


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class AlbertMultipleChoice(TaskModel):
    """Scores each choice from its pooled output, for a softmax over choices (run_race.py).

    Inputs: the encoder's dict, each int32 [B, C, S] with one row for each of C choices; other
    entries are ignored. Output: logits, float32 [B, C].

    Args:
      config: the encoder's config.
      dropout_rate: the rate for the input of the head.
    """

    TASKS = ("multiple_choice",)
    INPUT_AXES = ("B", "C", "S")

    def __init__(
        self,
        config: AlbertConfig | Mapping[str, Any],
        dropout_rate: float = DROPOUT,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, dense(1, config, "multiple_choice"), dropout_rate, **kwargs)

    def call(self, features: Mapping[str, tf.Tensor], training: bool = False) -> Any:
        features = named(features)
        rows = joined(features)  # each [B*C, S, ...]
        shape = tf.shape(features[next(iter(rows))])  # [B, C, S, ...]
        pooled = self.encode({**features, **rows}, training)  # [B*C, H]
        scores = self.head(self.dropout(pooled, training=training))  # [B*C, 1]
        return tf.reshape(scores, shape[:2])  # [B, C]
