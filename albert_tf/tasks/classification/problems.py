"""The problems of `ClassificationTask`: the targets, losses, metrics and answers of each."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from official.modeling.hyperparams import params_dict

from albert_tf.errors import InputError, closest
from albert_tf.tasks import losses
from albert_tf.tasks.classification import data, metrics
from albert_tf.tasks.classification.data import LabelledText
from albert_tf.tasks.distillation.losses import soft_cross_entropy, soft_sigmoids

THRESHOLD = 0.5


class Problem(abc.ABC):
    """What the labels of a task mean.

    Attributes:
      metric: the metric that selects the best checkpoint.
      labels: the names of the model's outputs; empty for a single number.
    """

    metric: ClassVar[str]

    def __init__(self, labels: Sequence[str] = ()) -> None:
        self.labels = tuple(labels)

    @abc.abstractmethod
    def targets(self, rows: Sequence[LabelledText]) -> np.ndarray:
        """Returns the labels of rows as numbers, [N, ...].

        Raises:
          InputError: a label is unknown, or is not what the problem needs.
        """

    @abc.abstractmethod
    def losses(
        self, targets: tf.Tensor, logits: tf.Tensor, smoothing: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Returns the loss of each example, float32 [B].

        Args:
          targets: the labels of a batch, [B, ...].
          logits: the outputs, float32 [B, C].
          smoothing: see `losses.cross_entropy`, float32 [B]; None for none.
        """

    @abc.abstractmethod
    def soft_losses(self, logits: tf.Tensor, teacher: tf.Tensor, temperature: float) -> tf.Tensor:
        """Returns how the outputs of each example differ from the teacher's, float32 [B].

        Args:
          logits: the outputs, float32 [B, C].
          teacher: the outputs of the teacher, [B, C].
          temperature: what logits are divided by.
        """

    def smoothing(self, setting: Any, count: int) -> np.ndarray:
        """Returns the smoothing of each training example, float32 [N]; see `losses.smoothing`.

        Raises:
          InputError: the labels are numbers, or the setting is invalid.
        """
        return losses.smoothing(setting, count)

    def tuned(self, wanted: np.ndarray, logits: np.ndarray) -> Problem:
        """Returns the problem with the settings that fit an evaluation best; by default itself."""
        return self

    @abc.abstractmethod
    def scores(self, wanted: np.ndarray, logits: np.ndarray) -> dict[str, float]:
        """Returns the metrics of targets, [N, ...], and outputs, [N, C]."""

    @abc.abstractmethod
    def constant(self, wanted: np.ndarray) -> np.ndarray:
        """Returns the outputs, float32 [C], that suit targets best if all texts have the same."""

    def weights(self, setting: Any, targets: np.ndarray) -> np.ndarray:
        """Returns the weight of each training example, float32 [N]; see `losses.class_weights`.

        Raises:
          InputError: the examples are not of one class each, or the setting is invalid.
        """
        raise InputError(
            "CLASS_WEIGHTS needs texts with one class each. Received "
            f"{str(setting):.200} for labels or numbers. Leave it out."
        )

    def table(self, wanted: np.ndarray, logits: np.ndarray) -> str:
        """Returns the scores of each label as text; "" by default."""
        return ""

    @abc.abstractmethod
    def draw(self, wanted: np.ndarray, logits: np.ndarray, folder: Path) -> list[Path]:
        """Writes plots to a folder and returns their paths."""

    @abc.abstractmethod
    def answer(self, logits: np.ndarray) -> dict[str, Any]:
        """Returns the answer for the outputs of an example, [C]."""

    @abc.abstractmethod
    def columns(self) -> dict[str, Any]:
        """Returns the columns of answers in tables; see `TaskFiles.columns`."""

    def _shares(self) -> dict[str, Any]:
        return {f"probabilities.{label}": float for label in self.labels}


class Classes(Problem):
    """One class for each example. The loss is the cross entropy of the softmax."""

    metric = "accuracy"

    def targets(self, rows: Sequence[LabelledText]) -> np.ndarray:
        return data.classes(rows, self.labels)

    def losses(
        self, targets: tf.Tensor, logits: tf.Tensor, smoothing: tf.Tensor | None = None
    ) -> tf.Tensor:
        return losses.cross_entropy(targets, logits, smoothing)  # [B]

    def soft_losses(self, logits: tf.Tensor, teacher: tf.Tensor, temperature: float) -> tf.Tensor:
        return soft_cross_entropy(logits, teacher, temperature)  # [B]

    def constant(self, wanted: np.ndarray) -> np.ndarray:
        return np.bincount(wanted, minlength=len(self.labels)).astype(np.float32)

    def weights(self, setting: Any, targets: np.ndarray) -> np.ndarray:
        return losses.class_weights(setting, self.labels, targets)[targets]

    def scores(self, wanted: np.ndarray, logits: np.ndarray) -> dict[str, float]:
        return metrics.of_classes(wanted, logits)

    def table(self, wanted: np.ndarray, logits: np.ndarray) -> str:
        predicted = logits.argmax(axis=-1)
        table = metrics.confusion_table(wanted, predicted, self.labels)
        each = np.eye(len(self.labels), dtype=int)
        remedy = "Set CLASS_WEIGHTS='balanced', or train for more steps."
        return table + metrics.warnings_of_recall(
            each[wanted], each[predicted], self.labels, remedy
        )

    def draw(self, wanted: np.ndarray, logits: np.ndarray, folder: Path) -> list[Path]:
        return metrics.draw_classes(wanted, logits, self.labels, folder)

    def answer(self, logits: np.ndarray) -> dict[str, Any]:
        shares = softmax(logits)
        best = int(shares.argmax())
        return {
            "label": self.labels[best],
            "probability": float(shares[best]),
            "probabilities": dict(zip(self.labels, map(float, shares))),
        }

    def columns(self) -> dict[str, Any]:
        return {"label": str, "probability": float, **self._shares()}


class Numbers(Problem):
    """A number for each example, or several. The loss is the mean squared error.

    Args:
      labels: the names of the numbers if there are several.
      separator: what separates the numbers in a cell; "" if cells are JSON lists.
    """

    metric = "pearson"

    def __init__(self, labels: Sequence[str] = (), separator: str = "") -> None:
        super().__init__(labels)
        self.separator = separator

    def targets(self, rows: Sequence[LabelledText]) -> np.ndarray:
        return data.numbers(rows, self.labels, self.separator)

    def losses(
        self, targets: tf.Tensor, logits: tf.Tensor, smoothing: tf.Tensor | None = None
    ) -> tf.Tensor:
        if not self.labels:
            return tf.square(logits[:, 0] - targets)  # [B]
        return tf.reduce_mean(tf.square(logits - targets), axis=-1)  # [B]

    def soft_losses(self, logits: tf.Tensor, teacher: tf.Tensor, temperature: float) -> tf.Tensor:
        return tf.reduce_mean(tf.square(logits - teacher), axis=-1)  # [B]; numbers have no softmax

    def smoothing(self, setting: Any, count: int) -> np.ndarray:
        raise InputError(
            "LABEL_SMOOTHING needs classes or labels. Received "
            f"{setting!r:.80} for numbers. Leave it out."
        )

    def scores(self, wanted: np.ndarray, logits: np.ndarray) -> dict[str, float]:
        if not self.labels:
            return metrics.of_numbers(wanted, logits[:, 0])
        return metrics.of_several_numbers(wanted, logits, self.labels)

    def constant(self, wanted: np.ndarray) -> np.ndarray:
        mean = np.mean(wanted, axis=0, dtype=np.float64).astype(np.float32)
        return mean if self.labels else mean[np.newaxis]

    def draw(self, wanted: np.ndarray, logits: np.ndarray, folder: Path) -> list[Path]:
        return metrics.draw_numbers(wanted, logits if self.labels else logits[:, 0], folder)

    def answer(self, logits: np.ndarray) -> dict[str, Any]:
        if self.labels:
            return {"values": [float(value) for value in logits]}
        return {"value": float(logits[0])}

    def columns(self) -> dict[str, Any]:
        return {"values": list[float]} if self.labels else {"value": float}


class LabelSets(Problem):
    """Any number of labels for each example; the targets are 0 or 1 for each label, [N, C].

    The loss is the mean cross entropy of the sigmoids.

    Args:
      labels: the names of the labels.
      separator: what separates the labels in a cell; "" if cells are JSON lists.
      threshold: the probability above which a label is predicted, or one by label; `THRESHOLD` for
        the others, and for None and "each".
      tunes: "all" if `tuned` determines the threshold with the best micro F1, "each" if it
        determines that of each label with its best F1; "" for neither.
    """

    metric = "micro_f1"

    def __init__(
        self,
        labels: Sequence[str],
        separator: str = "",
        threshold: Any = None,
        tunes: str = "",
    ) -> None:
        super().__init__(labels)
        threshold = THRESHOLD if tuning(threshold) else plain(threshold)
        by_label = threshold if isinstance(threshold, Mapping) else {}
        for name in by_label:
            if name not in labels:
                raise InputError(
                    f"THRESHOLD must have labels of the model. Received {name!r:.80}. "
                    f"{closest(str(name), labels)}"
                )
        values = by_label.values() if isinstance(threshold, Mapping) else [threshold]
        for value in values:
            if type(value) not in (int, float) or not 0 < value < 1:
                raise InputError(
                    "THRESHOLD must be a probability between 0 and 1, one by label, or None or "
                    f"'each' to determine it on EVAL_DATA. Received {value!r:.80}. Correct it."
                )
        # Of each label, float [C], or of all.
        self.limit: Any = threshold
        if isinstance(threshold, Mapping):
            self.limit = np.array([by_label.get(name, THRESHOLD) for name in labels])
        self.separator, self.tunes = separator, tunes

    @property
    def threshold(self) -> Any:
        """The threshold of all labels, or of each by its name."""
        if isinstance(self.limit, np.ndarray):
            return dict(zip(self.labels, self.limit.tolist()))
        return float(self.limit)

    def threshold_in(self, scores: Mapping[str, float]) -> Any:
        """Returns the threshold in the results of `scores`."""
        if "threshold" in scores:
            return scores["threshold"]
        return {name: scores[f"threshold_{name}"] for name in self.labels}

    def targets(self, rows: Sequence[LabelledText]) -> np.ndarray:
        return data.label_sets(rows, self.labels, self.separator)

    def losses(
        self, targets: tf.Tensor, logits: tf.Tensor, smoothing: tf.Tensor | None = None
    ) -> tf.Tensor:
        targets = tf.cast(targets, tf.float32)
        if smoothing is not None:  # Each label is a question with two answers.
            targets += smoothing[:, tf.newaxis] * (0.5 - targets)
        of_each = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)  # [B, C]
        return tf.reduce_mean(of_each, axis=-1)  # [B]

    def soft_losses(self, logits: tf.Tensor, teacher: tf.Tensor, temperature: float) -> tf.Tensor:
        return tf.reduce_mean(soft_sigmoids(logits, teacher, temperature), axis=-1)  # [B]

    def tuned(self, wanted: np.ndarray, logits: np.ndarray) -> Problem:
        if not self.tunes:
            return self
        shares = sigmoid(logits)
        threshold: Any = metrics.best_threshold(wanted, shares)
        if self.tunes == "each":
            columns = zip(self.labels, wanted.T, shares.T)
            threshold = {name: metrics.best_threshold(*pair) for name, *pair in columns}
        return LabelSets(self.labels, self.separator, threshold)

    def scores(self, wanted: np.ndarray, logits: np.ndarray) -> dict[str, float]:
        shares = sigmoid(logits)
        scores = metrics.of_label_sets(wanted, shares, shares > self.limit, self.labels)
        if isinstance(self.limit, np.ndarray):
            return {**scores, **{f"threshold_{n}": v for n, v in self.threshold.items()}}
        return {**scores, "threshold": self.threshold}

    def constant(self, wanted: np.ndarray) -> np.ndarray:
        # The shares of the labels as log-odds; finite where no text or each has a label.
        shares = np.clip(wanted.mean(axis=0), 1e-6, 1 - 1e-6)
        return np.log(shares / (1 - shares)).astype(np.float32)

    def table(self, wanted: np.ndarray, logits: np.ndarray) -> str:
        predicted = sigmoid(logits) > self.limit
        table = metrics.label_table(wanted, predicted, self.labels)
        remedy = "Lower THRESHOLD, or set it to None."
        return table + metrics.warnings_of_recall(wanted, predicted, self.labels, remedy)

    def draw(self, wanted: np.ndarray, logits: np.ndarray, folder: Path) -> list[Path]:
        return metrics.draw_label_sets(wanted, sigmoid(logits), folder)

    def answer(self, logits: np.ndarray) -> dict[str, Any]:
        shares = sigmoid(logits)
        return {
            "labels": [self.labels[index] for index in np.flatnonzero(shares > self.limit)],
            "probabilities": dict(zip(self.labels, map(float, shares))),
        }

    def columns(self) -> dict[str, Any]:
        return {"labels": list[str], **self._shares()}


def plain(threshold: Any) -> Any:
    """Returns a threshold of a config as JSON values: a number, or one by label."""
    if isinstance(threshold, params_dict.ParamsDict):  # What configs make of mappings.
        return type(threshold).as_dict(threshold)
    return dict(threshold) if isinstance(threshold, Mapping) else threshold


def tuning(threshold: Any) -> str:
    """Returns what `tuned` determines: "all" for None, "each", or "" for a given threshold."""
    if threshold is None:
        return "all"
    return "each" if isinstance(threshold, str) and threshold == "each" else ""


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns the softmax over the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    powers = np.exp(shifted)
    return powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Returns the logistic function of each number, in float64."""
    return 0.5 + 0.5 * np.tanh(0.5 * logits.astype(np.float64))
