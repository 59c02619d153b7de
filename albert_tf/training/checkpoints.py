"""Checkpoints of a run: read strictly, written only where they fit, the best one kept."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras
from official.core import config_definitions, train_utils

from albert_tf.errors import InputError, closest
from albert_tf.files import existing_parent

_MIB = 2**20
# What TensorFlow raises for files that are cut off, or of other variables.
_DAMAGE = (tf.errors.OpError, IndexError, RuntimeError, ValueError)


class Checkpoints(tf.train.CheckpointManager):
    """Orbit's checkpoints, with errors that tell what to do.

    Args:
      checkpoint: what is saved.
      directory: where to save.
      read_from: where to look for the newest one; workers save elsewhere than they read.
      **kwargs: of `tf.train.CheckpointManager`.
    """

    def __init__(
        self, checkpoint: tf.train.Checkpoint, directory: str, read_from: str, **kwargs: Any
    ) -> None:
        super().__init__(checkpoint, directory, **kwargs)
        self._latest_checkpoint = tf.train.latest_checkpoint(read_from)
        self._last_checkpoint_step = 0  # so that the first one comes after a whole interval

    def restore_or_initialize(self) -> str | None:
        """Restores the newest checkpoint and returns its path; without one, calls `init_fn`.

        Raises:
          InputError: it is damaged, or of another model.
        """
        if self.latest_checkpoint is None:
            return super().restore_or_initialize()
        self.restore(self.latest_checkpoint)
        self._last_checkpoint_step = int(self._step_counter.numpy())
        return self.latest_checkpoint

    def restore(self, path: str) -> None:
        """Restores a checkpoint.

        Raises:
          InputError: it is damaged, or of another model.
        """
        try:
            status = self.checkpoint.restore(path)
            status.assert_existing_objects_matched()
        except (*_DAMAGE, AssertionError) as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(
                "A run goes on with a checkpoint of the same model only. Received "
                f"'{path}': {reason} Name another --model_dir, or remove the checkpoint if its "
                "files are damaged."
            ) from error
        status.expect_partial()  # Slots come later, or, in an evaluation, never.

    def remove_leftovers(self) -> None:
        """Removes what a run that was killed while it saved has left behind."""
        for path in Path(self.directory).glob("*_temp"):
            shutil.rmtree(path, ignore_errors=True)

    def save(self, *args: Any, **kwargs: Any) -> str | None:
        """Saves, or begins to save, as the options say; see `tf.train.CheckpointManager`.

        Raises:
          InputError: this or an earlier checkpoint could not be written.
        """
        try:
            return super().save(*args, **kwargs)
        except tf.errors.OpError as error:
            raise self._unwritten(error) from error

    def sync(self) -> None:
        """Waits until everything is written.

        Raises:
          InputError: it could not be.
        """
        try:
            super().sync()
            # It waits for the thread that writes, but leaves that one's error to a next save.
            writer = self.checkpoint._async_checkpointer_impl
            if writer is not None:
                writer._check_async_thread_error()
        except tf.errors.OpError as error:
            raise self._unwritten(error) from error

    def _unwritten(self, error: Exception) -> InputError:
        free = shutil.disk_usage(existing_parent(self.directory)).free
        return InputError(
            f"A checkpoint must be written completely. Received '{self.directory}' with "
            f"{free / _MIB:,.0f} MiB free: {' '.join(str(error).split())[:200]} The last good one "
            f"is {self.latest_checkpoint}. Free space; the same command goes on from there."
        )


def check_space(
    folder: str | os.PathLike, model: tf_keras.Model, trainer: config_definitions.TrainerConfig
) -> None:
    """Checks before training that all checkpoints of a run will fit on the disk.

    A checkpoint holds the weights and two optimizer slots for each. One more than `max_to_keep` is
    there while the next one is written, and one for the best.

    Raises:
      InputError: they will not.
    """
    parts = [model.variables, *[model.trainable_variables] * 2]
    size = sum(v.shape.num_elements() * v.dtype.size for part in parts for v in part)
    count = trainer.max_to_keep + 1 + (best_folder(Path(folder), trainer) is not None)
    held = sum(path.stat().st_size for path in Path(folder).glob("ckpt-*"))
    free = shutil.disk_usage(existing_parent(folder)).free
    if size * count > free + held:
        raise InputError(
            f"The disk must have room for {count} checkpoints of {size / _MIB:,.1f} MiB "
            f"(max_to_keep={trainer.max_to_keep}, the next one, and the best). Received "
            f"'{folder}' with {free / _MIB:,.1f} MiB free. Free space, name another --model_dir, "
            "or keep fewer: --gin.TrainerConfig.max_to_keep=1."
        )


def best_folder(folder: Path, trainer: config_definitions.TrainerConfig) -> Path | None:
    """Returns where a run in `folder` keeps its best checkpoint, or None if it keeps none."""
    keeps = trainer.best_checkpoint_export_subdir and trainer.best_checkpoint_eval_metric
    return folder / trainer.best_checkpoint_export_subdir if keeps else None


def check_best(trainer: config_definitions.TrainerConfig, metrics: list[str] | None) -> None:
    """Checks the settings of the best checkpoint before training.

    Args:
      trainer: with `best_checkpoint_export_subdir`, `_eval_metric` and `_metric_comp`.
      metrics: names that evaluations give; None where only an evaluation tells.

    Raises:
      InputError: the metric or the comparison is unknown, or a loss is to be high.
    """
    name, comparison = trainer.best_checkpoint_eval_metric, trainer.best_checkpoint_metric_comp
    if best_folder(Path(), trainer) is None:
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
    def of(cls, folder: Path, trainer: config_definitions.TrainerConfig) -> BestCheckpoint:
        """Returns the one that a trainer's config describes, in `folder`."""
        metric, comparison = (
            trainer.best_checkpoint_eval_metric,
            trainer.best_checkpoint_metric_comp,
        )
        return cls(str(folder), metric, comparison)

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
