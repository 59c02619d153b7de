"""`AlbertTokenClassifier`: predicts a label for each token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from albert_tf.modeling.task_model import LabelModel


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class AlbertTokenClassifier(LabelModel):
    """A dense layer on each position of the sequence output.

    Inputs: the encoder's dict; other entries, such as labels, are ignored. Output: logits, float32
    [B, S, C].
    """

    TASKS = ("tagging",)
    HEAD = "token_classifier"

    def call(self, features: Mapping[str, tf.Tensor], training: bool = False) -> Any:
        sequence = self.encode(features, training)  # [B, S, H]
        return self.head(self.dropout(sequence, training=training))  # [B, S, C]
