"""Chooses, saves and exports the best checkpoint of a run."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from official.core import config_definitions, train_utils

from albert_tf.errors import InputError, closest
from albert_tf.files import temporary_folder
from albert_tf.formats import tf_checkpoint
from albert_tf.training.checkpoints import Checkpoints

NAME = train_utils.BEST_CHECKPOINT_NAME
METRICS = "info.json"  # in Model Garden's exporter


def folder(run: Path, trainer: config_definitions.TrainerConfig) -> Path | None:
    """Returns the folder in which a run saves its best checkpoint, or None if it saves none."""
    enabled = trainer.best_checkpoint_export_subdir and trainer.best_checkpoint_eval_metric
    return run / trainer.best_checkpoint_export_subdir if enabled else None


def check(trainer: config_definitions.TrainerConfig, metrics: list[str] | None) -> None:
    """Checks the settings of the best checkpoint before training starts.

    Args:
      trainer: trainer config with `best_checkpoint_export_subdir`, `best_checkpoint_eval_metric`
        and `best_checkpoint_metric_comp`.
      metrics: names of the metrics of an evaluation, or None if they are known only afterwards.

    Raises:
      InputError: the metric or the comparison is unknown, or the comparison is "higher" for a loss.
    """
    name, comparison = trainer.best_checkpoint_eval_metric, trainer.best_checkpoint_metric_comp
    if folder(Path(), trainer) is None:
        return
    if metrics is not None:
        _check_metric(name, metrics)
    falls = "loss" in name or name.endswith("error")
    if comparison not in ("higher", "lower") or (falls and comparison == "higher"):
        raise InputError(
            "BEST_IS must be 'higher' or 'lower', and 'lower' for a loss or an error. Received "
            f"{comparison!r} for {name!r}."
        )


class BestCheckpoint(train_utils.BestCheckpointExporter):
    """Saves the checkpoint of the best evaluation, with its metrics, in a separate folder.

    Unlike Model Garden's exporter, it never treats NaN as the best value, and it writes the
    metrics after the checkpoint, so that they never describe a checkpoint that does not exist.
    """

    @classmethod
    def of(cls, path: Path, trainer: config_definitions.TrainerConfig) -> BestCheckpoint:
        """Returns the exporter that the trainer config describes, writing to the folder `path`."""
        metric, comparison = (
            trainer.best_checkpoint_eval_metric,
            trainer.best_checkpoint_metric_comp,
        )
        return cls(str(path), metric, comparison)

    @property
    def best_ckpt_path(self) -> str | None:
        """The path of the best checkpoint so far."""
        found = tf_checkpoint.find_prefix(Path(self._export_dir))
        return None if found is None else str(found)

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
        """Saves the checkpoint if its metric is the best so far, and returns whether it did.

        Raises:
          InputError: the evaluation has no such metric.
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

    def _get_checkpoint_manager(self, checkpoint: tf.train.Checkpoint) -> Checkpoints:
        if self._checkpoint_manager is None:
            self._checkpoint_manager = Checkpoints(
                checkpoint, self._export_dir, self._export_dir, NAME, max_to_keep=1
            )
        return self._checkpoint_manager

    def _maybe_load_best_eval_metric(self) -> dict[str, Any] | None:
        """Returns the metrics of the best checkpoint, or None if it is gone."""
        path = Path(self.best_ckpt_logs_path)
        if not path.is_file() or self.best_ckpt_path is None:
            return None
        try:
            metrics = json.loads(path.read_text(encoding="utf-8"))
            float(metrics[self._metric_name[0]])
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                "The metrics of the best checkpoint must be JSON with "
                f"{self._metric_name[0]!r}. Received '{path}': {error!r}. Copy it again, or move "
                f"'{path.parent}' away to choose the best checkpoint anew."
            ) from error
        return metrics


def _check_metric(name: str, metrics: Iterable[str]) -> None:
    if name not in metrics:
        raise InputError(
            "BEST_METRIC must be a metric of the evaluation. Received "
            f"{name!r}. {closest(name, metrics)}"
        )


Export = Callable[[Path, Path], Any]


class BestExport:
    """Eval action that exports the best checkpoint if it is newer than the last export.

    The old export is kept until the new one is complete. Only the modification times of files
    decide whether an export is due, so a run that was killed catches up when it is resumed.

    Args:
      best: folder of the best checkpoint, with its config and vocabulary.
      dest: folder of the export.
      export: called with `best` and the path of a folder to create.
    """

    def __init__(self, best: Path, dest: str | os.PathLike, export: Export) -> None:
        self._best, self._dest, self._export = best, Path(dest).expanduser(), export

    def __call__(self, _: Any) -> None:
        """Exports the best checkpoint if an export is due."""
        newest = tf_checkpoint.find_prefix(self._best)
        if newest is None:
            return
        written = os.stat(f"{newest}.index").st_mtime
        if self._dest.exists() and self._dest.stat().st_mtime >= written:
            return
        self._dest.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(self._dest) as folder:
            new = folder / "new"
            self._export(self._best, new)
            if self._dest.exists():
                os.replace(self._dest, folder / "old")
            os.replace(new, self._dest)
