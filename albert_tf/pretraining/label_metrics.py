"""Metrics that need only weighted labels and no model: the baselines of pretraining."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras


class MajorityShare(tf_keras.metrics.Metric):
    """The share of the most frequent label: the accuracy of always predicting that label.

    For masked tokens this is the unigram baseline, and for sentence order the majority class. It is
    computed on the evaluated labels, so a model must learn more than label frequencies to beat it.

    Args:
      num_classes: the number of labels; labels are in [0, num_classes).
    """

    def __init__(self, num_classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._num_classes = num_classes
        self.counts = self.add_weight("counts", [num_classes], initializer="zeros")

    def update_state(self, labels: tf.Tensor, weights: tf.Tensor | None = None) -> None:
        """Adds the weights of int labels of any shape to their counts."""
        labels = tf.reshape(labels, [-1])
        weights = None if weights is None else tf.reshape(tf.cast(weights, tf.float32), [-1])
        self.counts.assign_add(
            tf.math.bincount(
                tf.cast(labels, tf.int32),
                weights=tf.ones_like(labels, tf.float32) if weights is None else weights,
                minlength=self._num_classes,
                maxlength=self._num_classes,
                dtype=tf.float32,
            )
        )

    def reset_state(self) -> None:
        """Resets all counts; the method of Keras would assign a scalar to them."""
        self.counts.assign(tf.zeros_like(self.counts))

    def result(self) -> tf.Tensor:
        """Returns the share of the most frequent label, in [0, 1]; 0 if there are no labels."""
        return tf.math.divide_no_nan(tf.reduce_max(self.counts), tf.reduce_sum(self.counts))
