"""The best checkpoint of a run: which one it is, and where it is kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from official.core import config_definitions, train_utils

from albert_tf.errors import InputError, closest


def folder(run: Path, trainer: config_definitions.TrainerConfig) -> Path | None:
    """Returns where the run in the folder `run` keeps its best checkpoint; None for nowhere."""
    keeps = trainer.best_checkpoint_export_subdir and trainer.best_checkpoint_eval_metric
    return run / trainer.best_checkpoint_export_subdir if keeps else None


def check(trainer: config_definitions.TrainerConfig, metrics: list[str] | None) -> None:
    """Checks the settings of the best checkpoint before training.

    Args:
      trainer: with `best_checkpoint_export_subdir`, `_eval_metric` and `_metric_comp`.
      metrics: names that evaluations give; None where only an evaluation tells.

    Raises:
      InputError: the metric or the comparison is unknown, or a loss is to be high.
    """
    name, comparison = trainer.best_checkpoint_eval_metric, trainer.best_checkpoint_metric_comp
    if folder(Path(), trainer) is None:
        return
    if metrics is not None:
        _check_metric(name, metrics)
    if comparison not in ("higher", "lower") or ("loss" in name and comparison == "higher"):
        raise InputError(
            "BEST_IS must be 'higher' or 'lower', and 'lower' for a loss. Received "
            f"{comparison!r} for {name!r}."
        )


class BestCheckpoint(train_utils.BestCheckpointExporter):
    """Keeps the checkpoint of the best evaluation in a folder of its own, with its metrics.

    Unlike Model Garden's, it never takes a metric that is not a number for the best, and writes the
    metrics after the checkpoint, so that they never tell of one that is not there.
    """

    @classmethod
    def of(cls, path: Path, trainer: config_definitions.TrainerConfig) -> BestCheckpoint:
        """Returns the one that a trainer's config describes, in the folder `path`."""
        metric, comparison = (
            trainer.best_checkpoint_eval_metric,
            trainer.best_checkpoint_metric_comp,
        )
        return cls(str(path), metric, comparison)

    @property
    def best_ckpt_logs(self) -> Mapping[str, Any]:
        """The metrics of the best evaluation so far."""
        return self._best_ckpt_logs or {self._metric_name[0]: math.nan}

    def maybe_export_checkpoint(
        self,
        checkpoint: Any,
        eval_logs: Mapping[str, Any],
        global_step: int,
        write_logs: bool = True,
    ) -> bool:
        """Saves if the metric is better than every one before; returns whether it did.

        Raises:
          InputError: there is no such metric.
        """
        name = self._metric_name[0]
        _check_metric(name, eval_logs)
        first = self._best_ckpt_logs is None
        if math.isnan(float(eval_logs[name])) or not (
            first or self._new_metric_is_better(self._best_ckpt_logs, eval_logs)
        ):
            return False
        self._get_checkpoint_manager(checkpoint).save(checkpoint_number=int(global_step))
        self._best_ckpt_logs = eval_logs
        if write_logs:
            self.export_best_eval_metric(eval_logs, global_step)
        return True


def _check_metric(name: str, metrics: Iterable[str]) -> None:
    if name not in metrics:
        raise InputError(
            "BEST_METRIC must be a metric of the evaluation. Received "
            f"{name!r}. {closest(name, metrics)}"
        )
