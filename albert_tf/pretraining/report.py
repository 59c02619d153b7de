"""Reports pretraining metrics next to the scores of trivial baselines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from albert_tf.tokenization.digit_comma import SPACE

PER_BYTE = "mlm_loss_per_byte"


def interval95(share: float, examples: float) -> float:
    """Returns the half width of the 95 % confidence interval of a share measured on `examples`."""
    return 1.96 * math.sqrt(max(share * (1.0 - share), 0.0) / max(examples, 1.0))


def table(metrics: Mapping[str, float], vocab_size: int) -> str:
    """Returns the pretraining metrics as lines of text, each next to its baseline.

    Args:
      metrics: the evaluation metrics of `PretrainingTask`; those of sentence order are optional.
      vocab_size: the vocabulary size of the model.
    """
    rows = [
        ("mlm_loss", math.log(vocab_size), "ln(vocabulary)"),
        ("mlm_accuracy", metrics["mlm_unigram_accuracy"], "unigram"),
    ]
    if "sop_accuracy" in metrics:
        half = interval95(metrics["sop_accuracy"], metrics["sop_examples"])
        majority = f"majority class; 95 % interval of sop_accuracy +/- {half:.4f}"
        rows += [
            ("sop_loss", math.log(2.0), "ln(2)"),
            ("sop_accuracy", metrics["sop_majority_accuracy"], majority),
        ]
    lines = [f"{'metric':<14}{'model':>9}{'baseline':>10}  baseline description"]
    lines += [f"{n:<14}{metrics[n]:>9.4f}{base:>10.4f}  {what}" for n, base, what in rows]
    return "\n".join(lines)


def per_byte(metrics: Mapping[str, float]) -> str:
    """Returns a line on the loss per byte."""
    return f"{PER_BYTE}  {metrics[PER_BYTE]:.4f}  comparable between vocabularies on the same text"


def piece_bytes(pieces: Sequence[str]) -> np.ndarray:
    """Returns the bytes of text in each piece, without the space that "▁" stands for, [V]."""
    return np.array([len(piece.replace(SPACE, "").encode()) for piece in pieces], np.float32)


class LossPerByte(tf_keras.metrics.Metric):
    """The sum of the losses of tokens divided by the sum of their bytes.

    Losses of tokens cannot be compared between vocabularies, as a longer piece is harder to
    predict. This one can, on the same text.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._loss, self._bytes = (
            self.add_weight(name, initializer="zeros") for name in ("losses", "bytes")
        )

    def update_state(self, losses: tf.Tensor, sizes: tf.Tensor, weights: tf.Tensor) -> None:
        """Adds losses, numbers of bytes and weights, of one shape."""
        self._loss.assign_add(tf.reduce_sum(losses * weights))
        self._bytes.assign_add(tf.reduce_sum(sizes * weights))

    def result(self) -> tf.Tensor:
        """Returns the quotient; 0 without bytes."""
        return tf.math.divide_no_nan(self._loss, self._bytes)


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
