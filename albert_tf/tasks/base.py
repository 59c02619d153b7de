"""`AlbertTask`, the training step that all tasks share.

The update does not depend on how a batch is divided over replicas, or into micro-batches that run
in sequence to save memory (gradient accumulation). The reason is that each part of a batch divides
its summed losses by the counts of the whole batch rather than by its own.
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras
from official.core import base_task, config_definitions

from albert_tf.errors import InputError
from albert_tf.modeling.layers import seeded, step_seed
from albert_tf.modeling.observation import observing
from albert_tf.tasks import starting_point
from albert_tf.tasks.distillation.config import DistillationConfig
from albert_tf.tasks.distillation.step import LOSSES, Distillation, Student

Tensors = Mapping[str, tf.Tensor]
Gradients = list[tf.Tensor | None]


@dataclasses.dataclass
class AlbertTaskConfig(config_definitions.TaskConfig):
    """The config fields that all tasks share.

    Attributes:
      accumulation_steps: the number of micro-batches that a batch is split into. They run in
        sequence, which divides the memory for activations by this number and leaves the update
        unchanged. `global_batch_size` is always the size of the whole batch.
      recompute: whether to store only the input of each block application and recompute the rest
        for the gradient. This needs less memory and about a third more time.
      remove_padding: whether to compute real tokens only. XLA and TPUs need static shapes and
        cannot do this. With None, `train_lib.run` decides (`runtime.decide_padding`).
      num_layers: the number of layers, if not that of the initial weights: fewer, or in pretraining
        also more (`resize.with_layers`).
      distillation: the teacher to learn from, if any.
    """

    accumulation_steps: int = 1
    recompute: bool = False
    remove_padding: bool | None = False
    num_layers: int | None = None
    distillation: DistillationConfig = dataclasses.field(default_factory=DistillationConfig)


class AlbertTask(Student, base_task.Task):
    """A Model Garden task with gradient accumulation and with metrics of the training step.

    Subclasses implement `counts`, `build_losses` and `process_metrics`, and extend `build_metrics`.

    Attributes:
      saves_results: whether evaluations are written to the folder of the run.
      compares_examples: whether the loss compares the examples of a batch with each other, as with
        in-batch negatives. The outputs of `forward` are then one float32 tensor, [B, ...], and
        `build_losses` takes those of the other replicas by `gather_over_replicas`. With
        micro-batches, it takes those of the whole batch (see `_loss_of_outputs`).
    """

    saves_results = True
    compares_examples = False

    # Metrics of the step itself, which are not passed to `process_metrics`.
    _STEP_METRICS = ("gradient_norm", "nonfinite_updates", "tokens", "padding_fraction")

    @property
    def starts_from(self) -> str:
        """The model whose weights a new run starts from; "" for random weights."""
        return self.task_config.init_checkpoint

    @property
    def best_metric(self) -> str:
        """The metric that selects the best checkpoint if the experiment names none; "" for none."""
        return ""

    def restart_results(self) -> None:
        """Forgets earlier evaluations of the run, which were on other data; nothing by default."""

    def write_results(self, folder: str | os.PathLike) -> list[Path]:
        """Writes the result files of the evaluations and returns their paths; none by default."""
        return []

    def initialize(self, model: tf_keras.Model) -> None:
        """Loads the weights of a new run from `init_checkpoint`, in any format, if it is set."""
        if self.starts_from:
            print(starting_point.load_weights(model, self.starts_from))

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """Returns the context in which to read data, so that data errors name their file."""
        return contextlib.nullcontext()

    @abc.abstractmethod
    def counts(self, labels: Tensors) -> dict[str, tf.Tensor]:
        """Returns the divisors for the losses summed over `labels`, a float32 scalar each.

        They are summed over replicas before the step, so each must be additive, such as the number
        of real predictions.
        """

    @abc.abstractmethod
    def build_losses(
        self,
        labels: Tensors,
        model_outputs: Tensors,
        aux_losses: Sequence[tf.Tensor] | None = None,
        counts: Tensors | None = None,
    ) -> tf.Tensor:
        """Returns the scalar loss of a batch or, with `counts`, its share of a larger batch's loss.

        Args:
          labels: the labels of this part of the batch.
          model_outputs: the model's outputs for this part of the batch.
          aux_losses: scalars to add, such as regularisation.
          counts: the counts of the whole batch; those of `labels` by default.
        """

    def build_metrics(self, training: bool = True) -> list[tf_keras.metrics.Metric]:
        """Returns the metrics of the step; none in evaluation.

        In training they are `gradient_norm` (before clipping), `nonfinite_updates`, `tokens` (real
        tokens) and `padding_fraction`, and with a teacher each of the losses.
        """
        if not training:
            return []
        taught = Distillation.metrics(self.task_config.distillation)
        means = ("gradient_norm", "padding_fraction", *taught)
        return [
            (tf_keras.metrics.Mean if name in means else tf_keras.metrics.Sum)(name=name)
            for name in (*self._STEP_METRICS, *taught)
        ]

    def forward(self, model: tf_keras.Model, features: Any) -> Any:
        """Returns the training outputs that losses and metrics need."""
        return model(features, training=True)

    def after_loop(self, model: tf_keras.Model) -> None:
        """Called after each train loop, before a checkpoint or an evaluation; does nothing."""

    # The step has no Python control flow on tensors, and tracing is faster without conversion.
    @tf.autograph.experimental.do_not_convert
    def train_step(
        self,
        inputs: Any,
        model: tf_keras.Model,
        optimizer: tf_keras.optimizers.Optimizer,
        metrics: Sequence[tf_keras.metrics.Metric] | None = None,
    ) -> dict[str, tf.Tensor]:
        """Updates the model with one batch, in replica context, and returns the loss.

        Args:
          inputs: this replica's part of the batch, as features that include their labels or as a
            pair of features and labels.
          model: the model.
          optimizer: a legacy Keras optimizer, with or without loss scaling.
          metrics: the metrics that `build_metrics` returned.
        """
        features, labels = inputs if isinstance(inputs, tuple) else (inputs, inputs)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        steps = self.task_config.accumulation_steps
        scales = isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer)
        teacher, counts = self.distillation, self.counts(labels)
        if teacher is not None:
            counts = {**counts, **teacher.counts(self, features, labels)}
        counts = _sum_over_replicas(counts)
        by_name = {metric.name: metric for metric in metrics or ()}
        taught = {n: m for n, m in by_name.items() if n in LOSSES}
        by_name = {n: m for n, m in by_name.items() if n not in taught}
        step_metrics = {n: by_name.pop(n) for n in self._STEP_METRICS if n in by_name}
        gates = _gates(optimizer.inner_optimizer if scales else optimizer, model)
        variables = [variable for variable, _ in gates]

        def forward(index: tf.Tensor, features: Any) -> Any:
            with seeded(self._dropout_seed(optimizer, index)):
                return self.forward(model, features)

        batch = features, labels
        if self.compares_examples and steps > 1:
            whole_loss, slopes = self._loss_of_outputs(forward, features, labels, counts)
            batch = features, labels, slopes

        def part(
            index: tf.Tensor, features: Any, labels: Any, slopes: tf.Tensor | None = None
        ) -> tuple[tf.Tensor, Gradients]:
            with tf.GradientTape() as tape:
                with observing() as observed:
                    outputs = forward(index, features)
                if slopes is None:
                    loss = self.build_losses(labels, outputs, counts=counts)
                else:
                    loss = _with_slopes(whole_loss / steps, outputs, slopes)
                if teacher is not None:
                    example = features, labels, outputs
                    loss = teacher.total(
                        self, loss, example, observed, counts, taught, steps * replicas
                    )
                if model.losses:
                    loss += tf.add_n(model.losses) / (steps * replicas)
                scaled = optimizer.get_scaled_loss(loss) if scales else loss
            gradients = tape.gradient(scaled, variables)
            self.process_metrics(list(by_name.values()), labels, outputs)
            return loss, [None if g is None else tf.convert_to_tensor(g) for g in gradients]

        loss, gradients = _accumulated(part, batch, steps)
        moving = [
            (gradient if gate is None else gradient * gate, variable)
            for gradient, (variable, gate) in zip(gradients, gates)
            if gradient is not None
        ]
        gradients = _sum_over_replicas([gradient for gradient, _ in moving])
        if scales:
            gradients = optimizer.get_unscaled_gradients(gradients)
        self._process_step(step_metrics, features, gradients, replicas)
        optimizer.apply_gradients(
            list(zip(gradients, [variable for _, variable in moving])),
            # Summed above. With one replica (and parameter servers) there is nothing to sum.
            experimental_aggregate_gradients=replicas == 1,
        )
        return {self.loss: loss * replicas}  # the trainer takes the mean over replicas

    def _loss_of_outputs(
        self, forward: Callable[..., tf.Tensor], features: Any, labels: Tensors, counts: Tensors
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns this replica's share of the loss, and its gradient for the outputs, [B, ...].

        This is gradient caching (Gao et al. 2021): the outputs of all micro-batches are computed
        first, and stored without what led to them. The gradient for the outputs then stands for the
        loss when each micro-batch is computed again, with the same dropout.
        """
        steps = self.task_config.accumulation_steps
        parts = tf.nest.map_structure(lambda tensor: _split(tensor, steps), features)
        outputs = tf.map_fn(
            lambda index: forward(index, tf.nest.map_structure(lambda part: part[index], parts)),
            tf.range(steps),
            fn_output_signature=tf.float32,
            parallel_iterations=1,
        )  # [steps, B / steps, ...]
        outputs = tf.reshape(outputs, tf.concat([[-1], tf.shape(outputs)[2:]], 0))  # [B, ...]
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            loss = self.build_losses(labels, outputs, counts=counts)
        return loss, tape.gradient(loss, outputs)

    def validation_step(
        self,
        inputs: Any,
        model: tf_keras.Model,
        metrics: Sequence[tf_keras.metrics.Metric] | None = None,
    ) -> dict[str, tf.Tensor]:
        """Updates metrics with one evaluation batch, in replica context, and returns the loss."""
        features, labels = inputs if isinstance(inputs, tuple) else (inputs, inputs)
        outputs = self.inference_step(features, model)
        self.process_metrics(metrics or [], labels, outputs)
        return {self.loss: self.batch_loss(labels, outputs)}

    def batch_loss(self, labels: Tensors, model_outputs: Tensors) -> tf.Tensor:
        """Returns this replica's loss, scaled so that its mean over replicas is the batch loss.

        In the last batch of an evaluation, a replica may have no example.
        """
        counts = _sum_over_replicas(self.counts(labels))
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return self.build_losses(labels, model_outputs, counts=counts) * replicas

    def _dropout_seed(
        self, optimizer: tf_keras.optimizers.Optimizer, part: tf.Tensor
    ) -> tf.Tensor | None:
        """Returns a seed derived from seed, update, part and replica, or None without a seed."""
        seed = self.task_config.train_data.seed
        if seed is None:
            return None
        update = tf.cast(optimizer.iterations, tf.int32)
        return step_seed(seed, update * self.task_config.accumulation_steps + part)

    def _process_step(
        self,
        metrics: Mapping[str, tf_keras.metrics.Metric],
        features: Tensors,
        gradients: Sequence[tf.Tensor],
        replicas: int,
    ) -> None:
        if not metrics:
            return
        # Clipping needs the same norm of the same tensors; the graph computes it once.
        norm = tf.linalg.global_norm(gradients)
        finite = tf.cast(tf.math.is_finite(norm), tf.float32)
        metrics["gradient_norm"].update_state(tf.math.multiply_no_nan(norm, finite), finite)
        metrics["nonfinite_updates"].update_state((1.0 - finite) / replicas)
        mask = tf.cast(features["input_mask"], tf.float32)
        metrics["tokens"].update_state(tf.reduce_sum(mask))
        metrics["padding_fraction"].update_state(1.0 - tf.reduce_mean(mask))


def _gates(optimizer: Any, model: tf_keras.Model) -> list[tuple[tf.Variable, tf.Tensor | None]]:
    """Returns the variables to update, without frozen ones, and the factors of their gradients.

    A variable that is frozen for some steps has a scalar tensor, 0 or 1, and others have None.
    """
    gate = getattr(optimizer, "gate", lambda name: 1.0)  # Other optimizers freeze nothing.
    pairs = [(variable, gate(variable.name)) for variable in model.trainable_variables]
    return [
        (variable, factor if tf.is_tensor(factor) else None)
        for variable, factor in pairs
        if tf.is_tensor(factor) or factor
    ]


def _accumulated(
    part: Callable[..., tuple[tf.Tensor, Gradients]],
    batch: tuple[Any, ...],
    steps: int,
) -> tuple[tf.Tensor, Gradients]:
    """Returns the sums of loss and gradients over `steps` equal parts of the batch."""
    first_index = tf.constant(0)
    if steps == 1:
        return part(first_index, *batch)
    parts = tf.nest.map_structure(lambda tensor: _split(tensor, steps), batch)
    # The first part runs outside the loop to determine which variables have a gradient.
    loss, first = part(first_index, *tf.nest.map_structure(lambda tensor: tensor[0], parts))
    moving = [i for i, gradient in enumerate(first) if gradient is not None]

    def add(step: tf.Tensor, loss: tf.Tensor, sums: list[tf.Tensor]) -> Any:
        more, gradients = part(step, *tf.nest.map_structure(lambda tensor: tensor[step], parts))
        return step + 1, loss + more, [s + gradients[i] for s, i in zip(sums, moving)]

    _, loss, sums = tf.while_loop(
        lambda step, *_: step < steps,
        add,
        (first_index + 1, loss, [first[i] for i in moving]),
        parallel_iterations=1,  # More would keep the activations of several parts in memory.
    )
    gradients: Gradients = [None] * len(first)
    for i, gradient in zip(moving, sums):
        gradients[i] = gradient
    return loss, gradients


def _with_slopes(loss: tf.Tensor, outputs: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    """Returns `loss`, whose gradient for `outputs` is known to be `slopes`."""

    @tf.custom_gradient
    def known(outputs: tf.Tensor) -> Any:
        return tf.identity(loss), lambda upstream: upstream * slopes

    return known(outputs)


def _split(tensor: tf.Tensor, steps: int) -> tf.Tensor:
    """Reshapes [B, ...] to [steps, B / steps, ...]."""
    rows = tensor.shape[0]
    if rows is not None and rows % steps:
        raise InputError(
            "The rows of a replica must divide into accumulation_steps equal parts. Received "
            f"{rows} rows for {steps} parts. Change BATCH_SIZE or ACCUMULATION_STEPS."
        )
    shape = tf.concat([[steps, tf.shape(tensor)[0] // steps], tf.shape(tensor)[1:]], 0)
    split = tf.reshape(tensor, shape)
    split.set_shape([steps, None if rows is None else rows // steps, *tensor.shape[1:]])
    return split


def gather_over_replicas(rows: tf.Tensor) -> tf.Tensor:
    """Returns the rows of all replicas in their order, from those of each, [B, ...]."""
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return rows
    all_rows = tf.distribute.get_replica_context().all_gather(rows, axis=0)
    return tf.ensure_shape(all_rows, [None, *rows.shape[1:]])


def _sum_over_replicas(tensors: Any) -> Any:
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return tensors
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tensors)
