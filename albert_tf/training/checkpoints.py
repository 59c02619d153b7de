"""Checkpoints of a run: read strictly, and written only where they fit."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras
from official.core import config_definitions

from albert_tf.errors import InputError
from albert_tf.files import existing_parent
from albert_tf.training import best_checkpoint

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
    count = trainer.max_to_keep + 1 + (best_checkpoint.folder(Path(folder), trainer) is not None)
    held = sum(path.stat().st_size for path in Path(folder).glob("ckpt-*"))
    free = shutil.disk_usage(existing_parent(folder)).free
    if size * count > free + held:
        raise InputError(
            f"The disk must have room for {count} checkpoints of {size / _MIB:,.1f} MiB "
            f"(max_to_keep={trainer.max_to_keep}, the next one, and the best). Received "
            f"'{folder}' with {free / _MIB:,.1f} MiB free. Free space, name another --model_dir, "
            "or keep fewer: --gin.TrainerConfig.max_to_keep=1."
        )
