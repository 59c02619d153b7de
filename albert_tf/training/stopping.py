"""Ends a run early: on a signal, without further improvement, or on a NaN or exploding loss."""

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
    """Raised by an action to end the run as complete; the message states the reason."""


class Interrupted(Exception):
    """A signal asked the run to save a checkpoint and exit.

    Attributes:
      signum: number of the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class Signals:
    """Context manager in which SIGTERM and SIGINT are recorded instead of ending the process.

    A second signal ends the process at once. In threads other than the main thread it does nothing,
    since Python allows signal handlers only there.

    Attributes:
      received: number of the signal, or None if there was none.
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
        """Raises `Interrupted` if a signal was received."""
        if self.received is not None:
            raise Interrupted(self.received)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            self._leave(number)
        self.received = number
        # Not `print`, since the signal may have interrupted another `print`.
        name = signal.Signals(number).name
        os.write(2, f"\n{name}: saving after this step; repeat to exit at once\n".encode())

    def _leave(self, number: int) -> None:
        handler: Callable | int | None = self._before.get(number)
        signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        signal.raise_signal(number)


def early_stop_actions(
    settings: config_definitions.TrainerConfig, patience: int, folder: Path
) -> list[EarlyStop]:
    """Returns a list with the action for early stopping, or an empty list.

    Args:
      settings: trainer config with the metric and the comparison of the best checkpoint.
      patience: number of evaluations without improvement; 0 turns early stopping off.
      folder: folder of the run. Its earlier evaluations are counted too.

    Raises:
      InputError: no metric is set, or `patience` is negative.
    """
    metric = settings.best_checkpoint_eval_metric
    if not patience:
        return []
    if patience < 0 or not metric:
        raise InputError(
            "PATIENCE must be a number of evaluations, and BEST_METRIC the metric to compare. "
            f"Received PATIENCE={patience} with BEST_METRIC={metric!r}. Set both."
        )
    known = (folder / progress.HISTORY).is_file()
    lines = progress.read_history(folder) if known else []
    history = [line for line in lines if line["split"] == "validation"]
    return [EarlyStop(metric, patience, settings.best_checkpoint_metric_comp == "higher", history)]


class EarlyStop:
    """Eval action that ends the run after `patience` evaluations in a row without improvement.

    Args:
      metric: name of the metric in the outputs of an evaluation.
      patience: number of evaluations, at least 1.
      higher: whether larger values are better.
      history: metrics of earlier evaluations, from before the run was resumed.
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
        """Records the metrics of an evaluation.

        Raises:
          StopTraining: none of the last `patience` evaluations improved on the best before them.
        """
        self._take(output)
        if self._since >= self._patience:
            raise StopTraining(
                f"{self._metric} did not improve on {self._sign * self._best:.4f} in the last "
                f"{self._since} evaluations"
            )

    def _take(self, output: Mapping[str, Any]) -> None:
        value = self._sign * float(output[self._metric])
        self._since = 0 if value > self._best else self._since + 1
        self._best = max(self._best, value)


class DivergedError(InputError):
    """Training diverged. Checkpoints that were saved earlier are not affected."""


class HealthCheck:
    """Train action that stops training if loss or gradients are not finite or the loss explodes.

    Orbit calls train actions after each loop and before it saves a checkpoint, so a bad loop is
    never saved.

    Args:
      global_step: the trainer's step counter.
      loss_upper_bound: the largest allowed mean loss of a loop (`trainer.loss_upper_bound`).
      last_checkpoint: returns the path of the newest checkpoint, or None.
      scales_loss: whether the optimizer scales the loss for float16. It then skips updates that
        overflow, so some gradients may be infinite or NaN.
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
        """Checks the outputs of the train loop that has just ended.

        Raises:
          DivergedError: training diverged. The message states the step, the last good checkpoint
            and the likely cause.
        """
        loss, bad = float(output["training_loss"]), float(output.get("nonfinite_updates", 0.0))
        rule = f"The training loss must stay finite and at most {self._bound:g}."
        step = int(self._global_step.numpy())
        # A NaN or infinite update ruins the weights even if the loss does not show it yet.
        if not math.isfinite(loss) or (bad and not self._scales_loss):
            # All updates after the first bad one are bad too, so the bad ones are the last ones.
            first = step - int(bad) + 1 if bad else step
            raise DivergedError(
                f"{rule} Received {loss} in the loop that ended at step {step}, with NaN or "
                f"infinite gradients from step {first} on. {self._remedy(output)}"
            )
        if loss > self._bound:
            raise DivergedError(
                f"{rule} Received {loss:.4g} at step {step}. {self._remedy(output)}"
            )

    def _remedy(self, output: Mapping[str, Any]) -> str:
        rate = float(output.get("learning_rate", math.nan))
        cause = f"the learning rate, {rate:.3g}, is too high for this batch, or warm-up ended"
        if self._scales_loss:
            cause = f"float16 overflows (bfloat16 does not), or {cause}"
        last, restart = "No checkpoint was saved yet.", ""
        if checkpoint := self._last_checkpoint():
            last = f"The last good checkpoint is {checkpoint}."
            restart = ", or from that checkpoint with INIT_FROM"
        return (
            f"{last} Likely cause: {cause} too early. Lower LEARNING_RATE or raise WARMUP_STEPS, "
            f"and start again in a new --model_dir{restart}."
        )
