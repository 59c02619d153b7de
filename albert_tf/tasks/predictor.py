"""Answers of a fine-tuned model for files without labels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
import tqdm

from albert_tf.errors import InputError
from albert_tf.formats.load import load
from albert_tf.modeling.task_model import TaskModel
from albert_tf.tasks import batching, registry
from albert_tf.tasks.fine_tuning import FineTuningTask
from albert_tf.tasks.outputs import Outputs

# The folder of the best checkpoint in that of a run (experiments/runs/finetune.gin).
BEST = "best"


class Predictor:
    """A model with its task and vocabulary, ready to answer files.

    Args:
      path_or_handle: a model of any known format with a head for a task, or for masked words. Of
        the folder of a run, the best checkpoint is taken where there is one.
      **config: fields of the task's config to change, such as `top_k`.

    Attributes:
      path: where the model was found.

    Raises:
      InputError: nothing readable lies there, or it has no head or no vocabulary.
    """

    def __init__(self, path_or_handle: str | os.PathLike, **config: Any) -> None:
        best = Path(path_or_handle).expanduser() / BEST
        self.path = best if (best / "checkpoint").is_file() else path_or_handle
        source = load(self.path)
        self.task: FineTuningTask = registry.task_of(source, **config)
        self.model: TaskModel = self.task.MODEL.from_source(source, allow_partial=False)
        self.model.encoder.remove_padding = True
        longest = self.model.albert_config.max_position_embeddings
        self.seq_length = int((source.task.settings if source.task else {}).get("seq_length", 512))
        self.seq_length = min(self.seq_length, longest)
        self._step = tf.function(self._outputs, reduce_retracing=True)

    def __call__(
        self, input_path: str | os.PathLike, batch_size: int = 32, seq_length: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yields an answer for each example of a file, in order.

        Args:
          input_path: a file of the task's format, or a glob.
          batch_size: examples that are answered together.
          seq_length: the longest sequence; by default as in training.

        Raises:
          InputError: the file breaks a rule of its format; it is named, with the line.
        """
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1. Received {batch_size}.")
        params = self.task.task_config.validation_data
        params.input_path, params.is_training = os.fspath(input_path), False
        params.seq_length = seq_length or self.seq_length
        self.task.check_length(params)
        examples = self.task.read(params, labelled=False)
        if not len(examples):
            return
        batches = batching.dataset(examples, global_batch_size=batch_size, is_training=False)
        count = -(-len(examples) // batch_size)
        progress = tqdm.tqdm(batches, "predict", count, unit="batch", disable=None)
        yield from self.task.answers(examples, Outputs.gather(map(self._step, progress)))

    def _outputs(self, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        outputs = self.model(features, training=False)
        return {"example": features["example"], **self.task.kept(outputs)}
