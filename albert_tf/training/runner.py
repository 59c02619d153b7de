"""Runs an experiment with Orbit, and handles signals, kills, full disks and diverging losses."""

from __future__ import annotations

import contextlib
import functools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orbit
import tensorflow as tf
import tf_keras
from absl import logging
from official.core import base_task, config_definitions, train_lib, train_utils

from albert_tf.errors import InputError
from albert_tf.formats.tf_checkpoint import find_prefix
from albert_tf.training import best_checkpoint, checkpoints, strategies
from albert_tf.training.progress import History, Pace, Progress
from albert_tf.training.stopping import SIGNALS, HealthCheck, Interrupted, Signals, StopTraining
from albert_tf.training.trainer import Trainer

Action = Callable[[Any], None]


class Runner(train_lib.OrbitExperimentRunner):
    """Runs one mode of an experiment. The constructor reads the weights and writes nothing.

    Args:
      task: the task to run.
      experiment: the config of the experiment.
      mode: one of `training.MODES`.
      model_dir: folder of the checkpoints.
      distribution: the distribution strategy.
      train_actions: called with the outputs of each train loop; may raise `StopTraining`.
      eval_actions: called with the outputs of each evaluation; may raise `StopTraining`.

    Raises:
      InputError: the newest checkpoint is damaged or belongs to another model, initial weights do
        not match the model, or the settings of the best checkpoint are wrong.
    """

    def __init__(
        self,
        task: base_task.Task,
        experiment: config_definitions.ExperimentConfig,
        mode: str,
        model_dir: str,
        distribution: tf.distribute.Strategy,
        train_actions: Sequence[Action] = (),
        eval_actions: Sequence[Action] = (),
    ) -> None:
        self._signals = Signals()
        self._saves_results = getattr(task, "saves_results", True)
        self._chief = strategies.is_chief(distribution)
        # All workers must save, since reading a variable may involve all of them. Only the chief's
        # files are kept.
        self._scratch = None if self._chief else tempfile.TemporaryDirectory()
        self._written = Path(model_dir if self._chief else self._scratch.name)
        # This class handles signals itself, for one process and for several.
        settings = experiment.trainer.replace(preemption_on_demand_checkpoint=False)
        with _quiet_orbit():
            super().__init__(
                distribution_strategy=distribution,
                task=task,
                mode=mode,
                params=experiment.replace(trainer=settings),
                model_dir=model_dir,
                save_summary=self._chief and getattr(task, "saves_results", True),
                train_actions=list(train_actions),
                eval_actions=list(eval_actions),
                enable_async_checkpointing=True,
            )
        if "eval" in mode:
            names = [
                m.name for m in (*self.trainer.validation_metrics, self.trainer.validation_loss)
            ]
            collects = (
                type(task).reduce_aggregated_logs is not base_task.Task.reduce_aggregated_logs
            )
            best_checkpoint.check(settings, None if collects else names)

    @property
    def step(self) -> int:
        """The number of training steps so far."""
        return int(self.trainer.global_step.numpy())

    def run(self) -> dict[str, float]:
        """Runs the mode and returns the newest evaluation metrics, or else training metrics.

        Raises:
          SystemExit: SIGTERM was received during training. A checkpoint was saved; the exit status
            is 143.
          KeyboardInterrupt: SIGINT was received. If training, a checkpoint was saved.
        """
        if "train" in self._mode:
            self.checkpoint_manager.remove_leftovers()
        if "eval" in self._mode and self._saves_results:
            self._keep_best()
        # An evaluation has nothing to save, so signals keep their default effect.
        signals = self._signals if "train" in self._mode else contextlib.nullcontext()
        with _quiet_orbit(), self.strategy.scope(), signals, self._shown() as histories:
            trained, evaluated = histories
            try:
                self._modes[self._mode]()
            except StopTraining as reason:
                print(f"stopped at step {self.step}: {reason}")
                self._save()
                if "eval" in self._mode and not evaluated.last:
                    self._evaluate()
            except Interrupted as signal:
                self._leave(signal)
        return evaluated.last or trained.last

    @property
    def _modes(self) -> dict[str, Callable[[], None]]:
        return dict(
            train=self._train,
            train_and_eval=self._train_and_evaluate,
            eval=self._evaluate,
            continuous_eval=self._evaluate_continuously,
        )

    def _train(self) -> None:
        if self.step >= self.params.trainer.train_steps:
            print(f"step {self.step} of {self.params.trainer.train_steps}: nothing left to train")
        self.controller.train(self.params.trainer.train_steps)

    def _train_and_evaluate(self) -> None:
        """Evaluates at multiples of the interval, even after resuming, and at the end."""
        end = self.params.trainer.train_steps
        interval = self.params.trainer.validation_interval or end
        if self.step >= end:
            self._train()
            self._evaluate()
        while self.step < end:
            target = min((self.step // interval + 1) * interval, end)
            self.controller.train(target, checkpoint_at_completion=target == end)
            self._evaluate()

    def _evaluate(self) -> None:
        self.controller.evaluate(self.params.trainer.validation_steps)

    def _evaluate_continuously(self) -> None:
        """Evaluates every checkpoint that another process writes, until the last step."""
        seconds = self.params.trainer.continuous_eval_timeout
        newest = evaluated = None
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            with contextlib.suppress(InputError):  # The first checkpoint is still being written.
                newest = find_prefix(Path(self.model_dir))
            if newest in (None, evaluated):
                time.sleep(1.0)
                continue
            self.checkpoint_manager.restore(str(newest))
            self._evaluate()
            if self.step >= self.params.trainer.train_steps:
                return
            evaluated, begin = newest, time.monotonic()
        print(f"no new checkpoint in '{self.model_dir}' for {seconds} seconds")

    def _leave(self, signal: Interrupted) -> None:
        step = self.step
        self._save()
        text = (
            f"stopped by {signal} at step {step}; saved "
            f"{self.checkpoint_manager.latest_checkpoint}. Run the same command again to resume."
        )
        print(text, file=sys.stderr, flush=True)
        if signal.signum == SIGNALS[1]:
            raise KeyboardInterrupt(text)
        raise SystemExit(128 + signal.signum)

    def _save(self) -> None:
        self.controller.save_checkpoint()
        self.checkpoint_manager.sync()

    @contextlib.contextmanager
    def _shown(self) -> Iterator[tuple[History, History]]:
        """Adds history and progress actions; yields the training and evaluation histories."""
        step, controller = self.trainer.global_step, self.controller
        trained = History(self.model_dir, step, "train")
        evaluated = History(self.model_dir if self._saves_results else None, step, "validation")
        shown, pace = [], Pace()
        if self._chief:
            controller.eval_actions = (evaluated, *controller.eval_actions, pace.restart)
        if "train" in self._mode:
            if self._chief:
                shown.append(Progress(step, self.params.trainer.train_steps))
            # The health check runs before Model Garden's own, whose error suggests no remedy.
            logged = (pace, trained, *shown) if self._chief else ()
            controller.train_actions = (*logged, self._health(), *controller.train_actions)
            controller.train_actions += (self._check_signals,)
        try:
            yield trained, evaluated
        finally:
            for progress in shown:
                progress.close()

    def _health(self) -> HealthCheck:
        return HealthCheck(
            self.trainer.global_step,
            self.params.trainer.loss_upper_bound,
            lambda: self.checkpoint_manager.latest_checkpoint,
            isinstance(self.trainer.optimizer, tf_keras.mixed_precision.LossScaleOptimizer),
        )

    def _check_signals(self, _: Any) -> None:
        """Train action that ends the run if this process or another worker received a signal."""
        if strategies.spans_workers(self.strategy):
            total = self._sum_over_workers(tf.constant(self._signals.received or 0))
            if int(total) and self._signals.received is None:
                self._signals.received = SIGNALS[0]
        self._signals.check()

    @functools.cached_property
    def _sum_over_workers(self) -> Callable[[tf.Tensor], tf.Tensor]:
        def total(value: tf.Tensor) -> tf.Tensor:
            values = self.strategy.run(lambda: value)
            return self.strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None)

        return tf.function(total)

    def _keep_best(self) -> None:
        best = best_checkpoint.folder(self._written, self.params.trainer)
        if best is not None:
            self.trainer.keep_best(best_checkpoint.BestCheckpoint.of(best, self.params.trainer))

    # === Overrides of Model Garden's runner ===
    def _build_trainer(self, task: base_task.Task, train: bool, evaluate: bool) -> Trainer:
        with self.strategy.scope():
            return train_utils.create_trainer(
                self.params,
                task,
                train=train,
                evaluate=evaluate,
                trainer_cls=functools.partial(Trainer, signals=self._signals),
            )

    def _maybe_build_checkpoint_manager(self) -> checkpoints.Checkpoints:
        return checkpoints.Checkpoints(
            self.trainer.checkpoint,
            directory=str(self._written),
            read_from=self.model_dir,
            max_to_keep=self.params.trainer.max_to_keep,
            step_counter=self.trainer.global_step,
            checkpoint_interval=self.params.trainer.checkpoint_interval,
            init_fn=self.trainer.initialize,
        )


@contextlib.contextmanager
def _quiet_orbit() -> Iterator[None]:
    """Redirects Orbit's messages from standard output to the log."""
    log = orbit.controller._log  # Orbit has no setting for this.
    orbit.controller._log = logging.info
    try:
        yield
    finally:
        orbit.controller._log = log
