"""Checkpoints of a run: strict restoring, safe writing, and a check of the disk space."""

from __future__ import annotations

import collections
import os
import shutil
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras
from official.core import config_definitions

from albert_tf.errors import InputError
from albert_tf.files import free_space
from albert_tf.formats import tf_checkpoint

_MIB = 2**20
# Exceptions that TensorFlow raises for truncated files and for mismatched variables.
_DAMAGE = (tf.errors.OpError, IndexError, RuntimeError, ValueError)


class Checkpoints(tf.train.CheckpointManager):
    """Orbit's checkpoint manager, with errors that say what to do.

    The files in the folder decide what is there, and not the file `checkpoint`, which may be lost
    or name the files of another folder after a run was copied. No complete checkpoint is replaced.

    Args:
      checkpoint: the objects to save.
      directory: folder to save to.
      read_from: folder in which to look for the newest checkpoint. Workers save to a different
        folder than they read from.
      name: the checkpoints are called `name-N`.
      **kwargs: passed to `tf.train.CheckpointManager`.

    Raises:
      InputError: there are checkpoints, but none is complete, or they have another name.
    """

    def __init__(
        self,
        checkpoint: tf.train.Checkpoint,
        directory: str,
        read_from: str,
        name: str = "ckpt",
        **kwargs: Any,
    ) -> None:
        # Below a folder that does not exist, the superclass finds no file `checkpoint`.
        super().__init__(checkpoint, os.path.join(directory, name), **kwargs)
        self._directory, self._checkpoint_prefix = directory, os.path.join(directory, name)
        newest = tf_checkpoint.find_prefix(Path(read_from))
        self._latest_checkpoint = None if newest is None else str(newest)
        if newest is not None and not tf_checkpoint.numbered(newest.parent, name):
            raise InputError(
                f"The checkpoints of a run must be called {name}-N. Received '{newest}'. Rename "
                "its files, or use another --model_dir with INIT_FROM."
            )
        self._maybe_delete = collections.OrderedDict()  # oldest first
        if newest is not None and Path(directory).is_dir():
            kept = tf_checkpoint.numbered(Path(directory), name)
            for prefix in kept[: kept.index(newest) + 1] if newest in kept else ():
                if not tf_checkpoint.problem(prefix):
                    self._maybe_delete[str(prefix)] = os.stat(f"{prefix}.index").st_mtime
        self._last_checkpoint_step = 0  # the first checkpoint is due after a full interval

    @property
    def unused(self) -> list[str]:
        """Why each checkpoint that is newer than the newest complete one is not used."""
        newest = Path(self.latest_checkpoint)
        stem = newest.name.rpartition("-")[0]
        prefixes = tf_checkpoint.numbered(newest.parent, stem)
        newer = prefixes[prefixes.index(newest) + 1 :] if newest in prefixes else []
        return [f"'{prefix.name}' ({tf_checkpoint.problem(prefix)})" for prefix in newer]

    def restore_or_initialize(self) -> str | None:
        """Restores the newest checkpoint and returns its path; calls `init_fn` if there is none.

        Raises:
          InputError: the checkpoint is damaged or belongs to a different model.
        """
        if self.latest_checkpoint is None:
            return super().restore_or_initialize()
        self.restore(self.latest_checkpoint)
        self._last_checkpoint_step = int(self._step_counter.numpy())
        return self.latest_checkpoint

    def restore(self, path: str) -> None:
        """Restores a checkpoint.

        Raises:
          InputError: it is damaged or belongs to a different model.
        """
        try:
            status = self.checkpoint.restore(tf_checkpoint.readable(Path(path)))
            status.assert_existing_objects_matched()
        except (*_DAMAGE, AssertionError) as error:
            raise self._misfit(path, error) from error
        # Optimizer slots are created later, and an evaluation never creates them.
        status.expect_partial()

    def _misfit(self, path: str, error: Exception) -> InputError:
        """Returns an error that says which part of the checkpoint does not fit."""
        stored = tf_checkpoint.TensorFlowCheckpoint(Path(path))
        items = {name: getattr(self.checkpoint, name, None) for name in ("model", "optimizer")}
        scales = isinstance(items["optimizer"], tf_keras.mixed_precision.LossScaleOptimizer)
        other = f"start in another --model_dir with --gin.INIT_FROM={path}"
        if scales and not any("loss_scale" in key for key in stored.shapes):
            return InputError(
                "A run can resume with float16 only if it was trained with it, since only float16 "
                f"scales the loss. Received MIXED_PRECISION=float16 for '{path}', which was saved "
                f"without it. Set MIXED_PRECISION as in config.gin, or {other}."
            )
        if items["model"] and self._fits(path, items["model"]):
            return InputError(
                "A run must resume with its optimizer. Received "
                f"'{path}', whose model fits and whose optimizer does not. Set OPTIMIZATION as in "
                f"config.gin, or {other}."
            )
        reason = " ".join(str(error).split())[:300]
        return InputError(
            "A run can only resume from a checkpoint of the same model. Received "
            f"'{path}': {reason} Use another --model_dir, or remove the checkpoint if its "
            "files are damaged."
        )

    def _fits(self, path: str, model: tf_keras.Model) -> bool:
        try:
            status = tf.train.Checkpoint(model=model).restore(tf_checkpoint.readable(Path(path)))
            status.assert_existing_objects_matched().expect_partial()
        except (*_DAMAGE, AssertionError):
            return False
        return True

    def remove_leftovers(self) -> None:
        """Removes the partial files of a run that was killed while saving."""
        for path in Path(self.directory).glob("*_temp"):
            shutil.rmtree(path, ignore_errors=True)

    def save(self, *args: Any, **kwargs: Any) -> str | None:
        """Saves a checkpoint, or starts an asynchronous save; see `tf.train.CheckpointManager`.

        Raises:
          InputError: this checkpoint or an earlier one could not be written.
        """
        try:
            return super().save(*args, **kwargs)
        except tf.errors.OpError as error:
            raise self._unwritten(error) from error

    def sync(self) -> None:
        """Waits until all checkpoints are written.

        Raises:
          InputError: a checkpoint could not be written.
        """
        try:
            super().sync()
            # TensorFlow waits for the writing thread but reports its error only at the next save.
            writer = self.checkpoint._async_checkpointer_impl
            if writer is not None:
                writer._check_async_thread_error()
        except tf.errors.OpError as error:
            raise self._unwritten(error) from error

    def _sweep(self) -> None:
        """Deletes all but the newest; the superclass would take their paths for glob patterns."""
        while self._max_to_keep and len(self._maybe_delete) > self._max_to_keep:
            prefix, _ = self._maybe_delete.popitem(last=False)
            for file in tf_checkpoint.files(Path(prefix)):
                file.unlink(missing_ok=True)

    def _unwritten(self, error: Exception) -> InputError:
        free = free_space(self.directory)
        return InputError(
            f"A checkpoint could not be written completely. Received '{self.directory}' with "
            f"{free / _MIB:,.0f} MiB free: {' '.join(str(error).split())[:200]} The last good "
            f"checkpoint is {self.latest_checkpoint}. Free some space and run the same command "
            "again to resume from there."
        )


def check_space(
    folder: str | os.PathLike,
    model: tf_keras.Model,
    trainer: config_definitions.TrainerConfig,
    keeps_best: bool,
) -> None:
    """Checks before training that the disk has room for all checkpoints of a run.

    A checkpoint holds all weights and two optimizer slots for each trainable one. Besides
    `max_to_keep` checkpoints, there is one more while it is being written, and perhaps the best.

    Raises:
      InputError: there is not enough free space.
    """
    parts = [model.variables, *[model.trainable_variables] * 2]
    size = sum(v.shape.num_elements() * v.dtype.size for part in parts for v in part)
    count = trainer.max_to_keep + 1 + keeps_best
    held = sum(path.stat().st_size for path in Path(folder).glob("ckpt-*"))
    free = free_space(folder)
    if size * count > free + held:
        raise InputError(
            f"The disk must have room for {count} checkpoints of {size / _MIB:,.1f} MiB "
            f"(max_to_keep={trainer.max_to_keep}, the next one, and the best). Received "
            f"'{folder}' with {free / _MIB:,.1f} MiB free. Free some space, use another "
            "--model_dir, or keep fewer: --gin.TrainerConfig.max_to_keep=1."
        )
