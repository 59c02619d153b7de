"""`Predictor`: runs a fine-tuned model on files without labels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
import tqdm

from albert_tf import task_types
from albert_tf.errors import InputError
from albert_tf.formats.load import load
from albert_tf.formats.source import Source
from albert_tf.formats.tf_checkpoint import find_prefix
from albert_tf.modeling.task_model import TaskModel
from albert_tf.task_types import TaskType
from albert_tf.tasks import batching
from albert_tf.tasks.fine_tuning import FineTuningTask
from albert_tf.tasks.outputs import Outputs

# The folder of the best checkpoint, below the folder of a run (experiments/runs/finetune.gin).
BEST = "best"
LONGEST = 512  # The sequence length for models that do not specify the one used in training.


def load_best(path_or_handle: str | os.PathLike) -> Source:
    """Reads a model, or the best checkpoint if the path is the folder of a run that has one.

    Raises:
      InputError: see `formats.load.load`.
    """
    best = Path(path_or_handle).expanduser() / BEST
    return load(best if find_prefix(best) else path_or_handle)


def task_type(source: Source) -> TaskType:
    """Returns the task of a model; without a fine-tuned head, this is filling masked words.

    Raises:
      InputError: the model is only an encoder.
    """
    name = source.task.task if source.task is not None else "fill_mask"
    row = task_types.get(name)
    if not row.head and "masked_lm" not in source.heads:
        raise InputError(
            "Prediction needs a model with a head for a task or for masked words. Received "
            f"'{source.path}' ({source.format}) with "
            f"{', '.join(source.heads) or 'only an encoder'}. Fine-tune it first: "
            "`albert-tf train --gin_file finetune_table --help`."
        )
    return row


class Predictor:
    """A model with its task and vocabulary, ready to answer the examples in files.

    ```python
    predictor = Predictor("runs/reviews")
    for answer in predictor("new.csv"):
        print(answer["label"])
    ```

    Args:
      path_or_handle: a model in any known format, with a head for a task or for masked words; or
        the result of `load_best`. If it is the folder of a run, its best checkpoint is used if
        there is one.
      seq_length: the maximum sequence length in tokens; the one used in training by default.
      **config: fields of the task's config to change, such as `top_k`.

    Attributes:
      path: the path that the model was read from.
      task: the `FineTuningTask`.
      model: the model with its weights; it removes padding.
      seq_length: the maximum sequence length.

    Raises:
      InputError: the model cannot be read, or it has no head or no vocabulary.
    """

    def __init__(
        self,
        path_or_handle: str | os.PathLike | Source,
        seq_length: int | None = None,
        **config: Any,
    ) -> None:
        is_read = isinstance(path_or_handle, Source)
        source = path_or_handle if is_read else load_best(path_or_handle)
        self.path = source.path
        self.task: FineTuningTask = task_type(source).task_class.from_source(source, **config)
        self.model: TaskModel = self.task.MODEL.from_source(source, allow_partial=False)
        self.model.encoder.remove_padding = True
        settings = source.task.settings if source.task else {}
        longest = self.model.albert_config.max_position_embeddings
        self.seq_length = seq_length or min(int(settings.get("seq_length", LONGEST)), longest)
        self._step = tf.function(self._outputs, reduce_retracing=True)

    def __call__(
        self, input_path: str | os.PathLike, batch_size: int = 32, seq_length: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yields an answer for each example of a file, in order.

        Args:
          input_path: a file in the task's format, or a glob.
          batch_size: the number of examples in a batch.
          seq_length: the maximum sequence length; that of the predictor by default.

        Raises:
          InputError: the file breaks a rule of its format; the error names the file and the line.
        """
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1. Received {batch_size}.")
        params = self.task.task_config.validation_data.replace(
            input_path=os.fspath(input_path),
            is_training=False,
            seq_length=seq_length or self.seq_length,
        )
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
