"""What ends a run: signals, evaluations that no longer improve, a NaN or exploding loss."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import tensorflow as tf
from official.core import config_definitions

from albert_tf.errors import InputError
from albert_tf.training import progress

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopTraining(Exception):
    """An action may raise it: the run is complete, for the reason that it gives."""


class Interrupted(Exception):
    """A signal asked the run to save and to leave.

    Attributes:
      signum: the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class Signals:
    """While it is entered, SIGTERM and SIGINT are noted in `received` and do not end the process.

    A second one ends it at once. Outside of the main thread nothing is changed, as Python allows
    handlers there only.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *exception: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raises `Interrupted` if a signal has come."""
        if self.received is not None:
            raise Interrupted(self.received)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            self._leave(number)
        self.received = number
        # Not print: it may be in the middle of another print.
        name = signal.Signals(number).name
        os.write(2, f"\n{name}: saving after this step; once more leaves at once\n".encode())

    def _leave(self, number: int) -> None:
        handler: Callable | int | None = self._before.get(number)
        signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        signal.raise_signal(number)


def early_stop_actions(
    settings: config_definitions.TrainerConfig, patience: int, folder: Path
) -> list[EarlyStop]:
    """Returns the action that ends a run early, or none.

    Args:
      settings: with the metric and the direction of the best checkpoint.
      patience: evaluations; 0 for no early end.
      folder: of the run, whose earlier evaluations count too.

    Raises:
      InputError: there is no metric to judge by, or `patience` is negative.
    """
    metric = settings.best_checkpoint_eval_metric
    if not patience:
        return []
    if patience < 0 or not metric:
        raise InputError(
            "PATIENCE must be a number of evaluations, and needs a metric to judge them by. "
            f"Received PATIENCE={patience} with BEST_METRIC={metric!r}. Set both."
        )
    known = (folder / progress.HISTORY).is_file()
    lines = progress.read_history(folder) if known else []
    history = [line for line in lines if line["split"] == "validation"]
    return [EarlyStop(metric, patience, settings.best_checkpoint_metric_comp == "higher", history)]


class EarlyStop:
    """Eval action: ends the run after `patience` evaluations in a row that are not the best.

    Args:
      metric: name in the outputs of an evaluation.
      patience: evaluations, at least 1.
      higher: whether larger is better.
      history: metrics of evaluations that were made before the run was stopped and went on.
    """

    def __init__(
        self,
        metric: str,
        patience: int,
        higher: bool = True,
        history: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self._metric, self._patience, self._sign = metric, patience, 1.0 if higher else -1.0
        self._best, self._since = float("-inf"), 0
        for metrics in history:
            self._take(metrics)

    def __call__(self, output: Mapping[str, Any]) -> None:
        """Takes the metrics of an evaluation.

        Raises:
          StopTraining: the last `patience` were no better than one before.
        """
        self._take(output)
        if self._since >= self._patience:
            raise StopTraining(
                f"{self._metric} was not better than {self._sign * self._best:.4f} in the last "
                f"{self._since} evaluations"
            )

    def _take(self, output: Mapping[str, Any]) -> None:
        value = self._sign * float(output[self._metric])
        self._since = 0 if value > self._best else self._since + 1
        self._best = max(self._best, value)


class DivergedError(InputError):
    """Training went astray; the checkpoints that were saved before are as they were."""


class HealthCheck:
    """Train action: raises when a loop's loss or gradients are not finite, or its loss too high.

    Orbit calls train actions after each loop and before it saves, so the newest checkpoint is
    always one of a healthy loop.

    Args:
      global_step: the trainer's counter.
      loss_upper_bound: the largest mean loss of a loop (`trainer.loss_upper_bound`).
      last_checkpoint: returns the path of the newest checkpoint, or None.
      scales_loss: whether float16 leaves out updates that overflow, so that some gradients may
        not be finite.
    """

    def __init__(
        self,
        global_step: tf.Variable,
        loss_upper_bound: float,
        last_checkpoint: Callable[[], str | None],
        scales_loss: bool = False,
    ) -> None:
        self._global_step, self._bound = global_step, loss_upper_bound
        self._last_checkpoint, self._scales_loss = last_checkpoint, scales_loss

    def __call__(self, output: Mapping[str, Any]) -> None:
        """Looks at the outputs of the loop that has just ended.

        Raises:
          DivergedError: with the step, the last good checkpoint and the likely cause.
        """
        loss, bad = float(output["training_loss"]), float(output.get("nonfinite_updates", 0.0))
        rule = f"The training loss must stay a number of at most {self._bound:g}."
        step = int(self._global_step.numpy())
        # An update that is not finite spoils the weights, even if no loss has shown it yet.
        if not math.isfinite(loss) or (bad and not self._scales_loss):
            # From the first bad update on all weights are bad, so the bad ones are the last ones.
            first = step - int(bad) + 1 if bad else step
            raise DivergedError(
                f"{rule} Received {loss} in the loop that ended at step {step}, with gradients "
                f"that are not finite from step {first} on. {self._remedy(output)}"
            )
        if loss > self._bound:
            raise DivergedError(
                f"{rule} Received {loss:.4g} at step {step}. {self._remedy(output)}"
            )

    def _remedy(self, output: Mapping[str, Any]) -> str:
        rate = float(output.get("learning_rate", math.nan))
        cause = f"the learning rate, {rate:.3g} here, is too high for this batch, or warm-up ended"
        if self._scales_loss:
            cause = f"float16 overflows; bfloat16 does not. Otherwise {cause}"
        return (
            f"The last good checkpoint is {self._last_checkpoint() or 'none yet'}. Likely cause: "
            f"{cause} too early. Lower LEARNING_RATE or raise WARMUP_STEPS, and start again in a "
            "new --model_dir, or from that checkpoint with INIT_FROM."
        )
