"""The cross entropy of classes, and what changes it in training: label smoothing, class weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from official.modeling.hyperparams import params_dict

from albert_tf.errors import InputError, closest

_LARGEST = float(np.finfo(np.float32).max)


def cross_entropy(
    targets: tf.Tensor,
    logits: tf.Tensor,
    smoothing: tf.Tensor | None = None,
    exists: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the cross entropy of the softmax, float32 [...].

    Args:
      targets: the classes, int [...].
      logits: float32 [..., C].
      smoothing: the share of the target that is spread evenly over all classes (Szegedy et al.
        2016, section 7), float32, of a shape that broadcasts to [...]; None for none.
      exists: whether there is such a class, bool [..., C]; by default, all exist.
    """
    if exists is not None:
        logits = tf.where(exists, logits, -1e9)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    if smoothing is None:
        return losses
    of_each = -tf.nn.log_softmax(logits)  # [..., C]
    if exists is None:
        mean = tf.reduce_mean(of_each, axis=-1)
    else:
        kept = tf.cast(exists, tf.float32)
        of_each = tf.where(exists, of_each, 0.0)
        mean = tf.reduce_sum(of_each, axis=-1) / tf.reduce_sum(kept, axis=-1)
    return losses + smoothing * (mean - losses)


def smoothing(setting: Any, count: int) -> np.ndarray:
    """Returns `LABEL_SMOOTHING` for each of the training examples, float32 [N].

    Raises:
      InputError: it is not a share below 1.
    """
    if type(setting) not in (int, float) or not 0 <= setting < 1:
        raise InputError(
            "LABEL_SMOOTHING must be a share from 0 to less than 1. Received "
            f"{setting!r:.80}. Set it to such as 0.1, or to 0 for none."
        )
    return np.full(count, setting, np.float32)


def class_weights(setting: Any, labels: Sequence[str], targets: np.ndarray) -> np.ndarray:
    """Returns the weight of each class, float32 [C].

    Args:
      setting: "balanced", N / (C * examples of the class) as in scikit-learn; or weights by label,
        where others have weight 1.
      labels: the names of the classes.
      targets: the class of each training example, int [N].

    Raises:
      InputError: the setting is neither, names an unknown label, or has a weight that is not a
        positive number.
    """
    if isinstance(setting, params_dict.ParamsDict):  # What configs make of mappings.
        setting = type(setting).as_dict(setting)
    if setting == "balanced":
        counts = np.bincount(targets, minlength=len(labels))
        return (len(targets) / (len(labels) * np.maximum(counts, 1))).astype(np.float32)
    if not isinstance(setting, Mapping):
        raise InputError(
            "CLASS_WEIGHTS must be 'balanced' or weights by label. Received "
            f"{setting!r:.80}. Set it to such as {{'{labels[0]}': 2.0}}."
        )
    weights = np.ones(len(labels), np.float32)
    for label, weight in setting.items():
        if str(label) not in labels:
            raise InputError(
                "CLASS_WEIGHTS must name labels of the model. Received "
                f"{str(label)!r:.80}. {closest(str(label)[:80], labels)}"
            )
        if type(weight) not in (int, float) or not 0 < weight <= _LARGEST:
            raise InputError(
                "CLASS_WEIGHTS must be positive numbers. Received "
                f"{weight!r:.80} for {str(label)!r:.80}. Correct it."
            )
        weights[labels.index(str(label))] = weight
    return weights
