"""Model Garden's trainer, extended to resume exactly and to stop on signals."""

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

_LATER = "created by the first train loop"


class Trainer(base_trainer.Trainer):
    """Trains on the batches that follow the restored step, in loops that a signal can end.

    Args:
      config: config of the experiment. `config.task.train_data` must have the field `start_step`,
        and the task's `build_inputs` must return the batches from that step on.
      signals: checked between steps.
      **kwargs: further arguments of Model Garden's trainer.
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
        # The first step is known only when a checkpoint has been restored, which happens later.
        super().__init__(config, *args, train=train, train_dataset=_LATER, **kwargs)
        if train:
            # Create the slots now and not in the first step: replicas cannot create variables while
            # they run, and restoring then notices missing slots in a checkpoint.
            self.optimizer._create_all_weights(self.model.trainable_variables)

    def keep_best(self, exporter: Any) -> None:
        """Uses `exporter` after each evaluation to save the best checkpoint."""
        self._checkpoint_exporter = exporter

    def train(self, num_steps: tf.Tensor) -> orbit.runner.Output | None:
        """Runs a train loop; see `orbit.StandardTrainer`."""
        if self._train_iter is None:
            data = self.config.task.train_data.replace(start_step=int(self.global_step.numpy()))
            self.train_dataset = self.distribute_dataset(self.task.build_inputs, data)
        outputs = super().train(num_steps)
        self.task.after_loop(self.model)
        return outputs

    def create_train_loop_fn(self) -> Callable[[Any, tf.Tensor], None]:
        """Returns the train loop, split into chunks of about a second; it can end between them."""
        loop = super().create_train_loop_fn()
        if self._is_async:  # workers run it; this process only dispatches
            return loop

        def chunked(iterator: Any, num_steps: tf.Tensor) -> None:
            left, size = int(num_steps), 1
            while left and self._signals.received is None:
                size = min(size, left)
                begin = time.monotonic()
                loop(iterator, tf.constant(size, tf.int32))
                left -= size
                size = max(1, int(size / max(time.monotonic() - begin, 1e-3)))

        # All workers must run the same steps, so they exchange signals only after a whole loop.
        return loop if spans_workers(self.strategy) else chunked

    def eval_reduce(self, state: Any = None, step_outputs: Any = None) -> Any:
        """Collects the outputs of a step, and ends the evaluation if a signal was received."""
        averaged = isinstance(self.optimizer, optimization.ExponentialMovingAverage)
        if not (averaged or spans_workers(self.strategy)):
            self._signals.check()
        return super().eval_reduce(state, step_outputs)
