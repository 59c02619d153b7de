"""Model Garden's trainer, made to go on exactly where a run stopped, and to stop when asked to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orbit
import tensorflow as tf
from official.core import base_trainer, config_definitions
from official.modeling import optimization

from albert_tf.training.stopping import Signals
from albert_tf.training.strategies import spans_workers

_LATER = "made by the first train loop"


class Trainer(base_trainer.Trainer):
    """Trains with the batches that follow the restored step, in loops that a signal can end.

    Args:
      config: of the experiment. `config.task.train_data` has the field `start_step`, and the task's
        `build_inputs` gives the batches from that step on.
      signals: looked at between steps.
      **kwargs: of Model Garden's trainer.
    """

    def __init__(
        self,
        config: config_definitions.ExperimentConfig,
        *args: Any,
        signals: Signals,
        train: bool = True,
        **kwargs: Any,
    ) -> None:
        self._signals = signals
        # The step to begin with is known once a checkpoint is read, after this.
        super().__init__(config, *args, train=train, train_dataset=_LATER, **kwargs)
        if train:
            # Here, not in the first step: replicas may not make variables while they run, and a
            # checkpoint that lacks some is noticed.
            self.optimizer._create_all_weights(self.model.trainable_variables)

    def keep_best(self, exporter: Any) -> None:
        """Saves the best checkpoint of every evaluation from now on by `exporter`."""
        self._checkpoint_exporter = exporter

    def train(self, num_steps: tf.Tensor) -> orbit.runner.Output | None:
        """Runs a train loop; see `orbit.StandardTrainer`."""
        if self._train_iter is None:
            data = self.config.task.train_data.replace(start_step=int(self.global_step.numpy()))
            self.train_dataset = self.distribute_dataset(self.task.build_inputs, data)
        return super().train(num_steps)

    def create_train_loop_fn(self) -> Callable[[Any, tf.Tensor], None]:
        """Returns the train loop, cut into pieces of about a second, between which it may end."""
        loop = super().create_train_loop_fn()
        if self._is_async:  # workers run it; this process only hands it out
            return loop

        def pieces(iterator: Any, num_steps: tf.Tensor) -> None:
            left, size = int(num_steps), 1
            while left and self._signals.received is None:
                size = min(size, left)
                begin = time.monotonic()
                loop(iterator, tf.constant(size, tf.int32))
                left -= size
                size = max(1, int(size / max(time.monotonic() - begin, 1e-3)))

        # Workers must run the same steps; they agree on a signal when the whole loop has ended.
        return loop if spans_workers(self.strategy) else pieces

    def eval_reduce(self, state: Any = None, step_outputs: Any = None) -> Any:
        """Collects what a step gave; ends an evaluation that a signal interrupts."""
        averaged = isinstance(self.optimizer, optimization.ExponentialMovingAverage)
        if not (averaged or spans_workers(self.strategy)):
            self._signals.check()
        return super().eval_reduce(state, step_outputs)
