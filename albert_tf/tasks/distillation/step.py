"""`Distillation`: the losses of a training step that compare a student with its teacher."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from albert_tf.formats.source import Source
from albert_tf.modeling.layers import build_parts
from albert_tf.modeling.observation import Observation, observing
from albert_tf.tasks.distillation import losses
from albert_tf.tasks.distillation.config import ATTENTION, HIDDEN, LOGITS, PARTS, DistillationConfig
from albert_tf.tasks.distillation.teacher import Teacher

Tensors = Mapping[str, tf.Tensor]
# The outputs of the teacher that examples hold if it has another vocabulary, float32 [N, C].
TEACHER_LOGITS = "teacher_logits"
LABELS = "label_loss"
# The metrics of the losses of a step.
LOSSES = {LABELS: "labels", **{f"distill_{name}": name for name in PARTS}}
_ROWS, _SOFT = "rows", "soft_"


class Student(abc.ABC):
    """A task whose model may learn from a teacher.

    Attributes:
      distillation: the losses of the teacher; None without one.
    """

    task_config: Any
    distillation: Distillation | None = None

    @property
    @abc.abstractmethod
    def teacher(self) -> Teacher:
        """The teacher that the config names.

        Raises:
          InputError: it cannot be read, or cannot teach this task.
        """

    @abc.abstractmethod
    def build_teacher(self, source: Source) -> tf_keras.Model:
        """Returns the model of the teacher, without dropout before its head."""

    @abc.abstractmethod
    def forward(self, model: tf_keras.Model, features: Any) -> Any:
        """Returns the training outputs of a model."""

    @abc.abstractmethod
    def soft_weights(self, labels: Tensors) -> dict[str, tf.Tensor]:
        """Returns the weights of `soft_losses`, by the same names; their sums divide them."""

    @abc.abstractmethod
    def soft_losses(
        self, labels: Tensors, outputs: Any, teacher: Any, temperature: float
    ) -> dict[str, tf.Tensor]:
        """Returns the losses by which outputs differ from those of the teacher, by name."""

    def learn_from_teacher(self, model: tf_keras.Model) -> None:
        """Prepares the losses of the teacher, if there is one; not in the graph of a dry run."""
        settings = self.task_config.distillation
        if settings.teacher and tf.executing_eagerly():
            self.distillation = Distillation(settings, model, self.teacher, self.build_teacher)


class Distillation:
    """Adds the losses of a teacher to those of labels.

    If the hidden states of the two have different widths, the student gets a dense layer,
    `distillation`, from its width to that of the teacher. It is trained and stored in checkpoints,
    and left out wherever the model is used.

    Args:
      settings: the weights of the losses.
      model: the student.
      teacher: the teacher.
      build: builds the teacher's model; see `Teacher.model`.
    """

    def __init__(
        self,
        settings: DistillationConfig,
        model: tf_keras.Model,
        teacher: Teacher,
        build: Callable[[Any], tf_keras.Model],
    ) -> None:
        self._settings, self._order = settings, teacher.order
        self._model = None
        if not teacher.other_vocabulary:
            self._model = teacher.model(build, model.encoder.remove_padding)
        width, wanted = model.encoder.hidden_size, teacher.source.config.hidden_size
        self._projection = None
        if HIDDEN in settings.parts and width != wanted:
            self._projection = tf_keras.layers.Dense(wanted, dtype="float32", name="distillation")
            build_parts((self._projection, width))
            model.distillation = self._projection

    @staticmethod
    def metrics(settings: DistillationConfig) -> tuple[str, ...]:
        """Returns the names of the losses, each without its weight; none without a teacher."""
        learnt = ("labels", *settings.parts) if settings.teacher else ()
        return tuple(metric for metric, name in LOSSES.items() if name in learnt)

    def counts(self, task: Student, features: Tensors, labels: Tensors) -> dict[str, tf.Tensor]:
        """Returns the divisors of the losses, which are additive; see `AlbertTask.counts`."""
        counts = {_SOFT + n: tf.reduce_sum(w) for n, w in task.soft_weights(labels).items()}
        exists = tf.reduce_any(features["input_mask"] > 0, axis=-1)
        return {**counts, _ROWS: tf.reduce_sum(tf.cast(exists, tf.float32))}

    def total(
        self,
        task: Student,
        label_loss: tf.Tensor,
        part: tuple[Tensors, Tensors, Any],
        observed: Sequence[Observation],
        counts: Tensors,
        metrics: Mapping[str, tf_keras.metrics.Metric],
        parts: int,
    ) -> tf.Tensor:
        """Returns a part's share of the weighted sum of all losses, and updates their metrics.

        Args:
          task: the task.
          label_loss: the share of the loss of labels.
          part: the inputs of a part of the batch, its labels, and the student's outputs.
          observed: what the student's encoder computed.
          counts: the counts of the whole batch.
          metrics: those of `metrics`.
          parts: the number of parts, over all replicas.
        """
        shares = {"labels": label_loss, **self._losses(task, *part, observed, counts)}
        for name, metric in metrics.items():
            metric.update_state(shares[LOSSES[name]] * parts)  # Their mean over parts is the sum.
        return tf.add_n([getattr(self._settings, name) * loss for name, loss in shares.items()])

    def _losses(
        self,
        task: Student,
        features: Tensors,
        labels: Tensors,
        outputs: Any,
        observed: Sequence[Observation],
        counts: Tensors,
    ) -> dict[str, tf.Tensor]:
        """Returns a part's share of each loss of the teacher, without its weight."""
        settings, result = self._settings, {}
        with observing() as taught:
            wanted = labels.get(TEACHER_LOGITS)
            if self._model is not None:
                wanted = task.forward(self._model, features)
        if LOGITS in settings.parts:
            if self._order is not None:
                wanted = tf.gather(wanted, self._order, axis=-1)
            of_each = task.soft_losses(labels, outputs, wanted, settings.temperature)
            weights = task.soft_weights(labels)
            result[LOGITS] = tf.add_n(
                [
                    tf.math.divide_no_nan(tf.reduce_sum(of_each[n] * w), counts[_SOFT + n])
                    for n, w in weights.items()
                ]
            )
        for ours, theirs in zip(observed, taught):
            if HIDDEN in settings.parts:
                rows = losses.hidden(ours, theirs, self._projection)  # [B]
                result[HIDDEN] = tf.math.divide_no_nan(tf.reduce_sum(rows), counts[_ROWS])
            if ATTENTION in settings.parts:
                rows = losses.attention(ours, theirs)  # [B]
                result[ATTENTION] = tf.math.divide_no_nan(tf.reduce_sum(rows), counts[_ROWS])
        return result
