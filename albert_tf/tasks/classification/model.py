"""`AlbertClassifier`: predicts a class or a number for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from albert_tf.modeling.task_model import LabelModel
from albert_tf.task_types import TaskDescription


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class AlbertClassifier(LabelModel):
    """A dense layer on the pooled output (Lan et al. 2020, section 4; run_classifier.py).

    ```python
    model = AlbertClassifier.from_pretrained("albert_base_v2", labels=["bad", "good"])
    logits = model(tokenizer(["a fine film"]))  # [1, 2]
    ```

    Inputs: the encoder's dict; other entries, such as labels, are ignored. Output: logits, float32
    [B, C]. With one class, the model is a regressor, and the output is the number itself.
    """

    TASKS = ("classification", "regression")

    def describe(self) -> TaskDescription:
        """Returns the task of the model; with one output, this is regression."""
        labels = self.labels if len(self.labels) > 1 else ()
        task = TaskDescription.of_classifier(labels).task
        return TaskDescription(task, labels, self._settings())

    def call(self, features: Mapping[str, tf.Tensor], training: bool = False) -> Any:
        pooled = self.encode(features, training)  # [B, H]
        return self.head(self.dropout(pooled, training=training))  # [B, C]
