"""Ending a run whose evaluations no longer get better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from official.core import config_definitions

from albert_tf.errors import InputError
from albert_tf.training import progress
from albert_tf.training.stopping import StopTraining


def actions(
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
