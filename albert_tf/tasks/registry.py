"""Which class does which task, for those who start from a model: `albert-tf predict`, exports."""

from __future__ import annotations

import importlib
from typing import Any

from albert_tf.errors import InputError
from albert_tf.formats.source import Source
from albert_tf.tasks.fine_tuning import FineTuningTask

# Named as text: predicting with a classifier should not load the other tasks.
_CLASSES = {
    "classification": "classification.task.ClassificationTask",
    "regression": "classification.task.ClassificationTask",
    "question_answering": "question_answering.task.QuestionAnsweringTask",
    "joint_question_answering": "question_answering.joint_task.JointQuestionAnsweringTask",
    "multiple_choice": "multiple_choice.task.MultipleChoiceTask",
    "tagging": "tagging.task.TaggingTask",
    "fill_mask": "fill_mask.task.FillMaskTask",
}


def task_of(source: Source, **config: Any) -> FineTuningTask:
    """Returns the task of a model that `convert.load` read.

    A model without a task fills masked words, if it has the head for that.

    Args:
      source: with a vocabulary.
      **config: fields of the task's config to change.

    Raises:
      InputError: the model has no head that answers anything.
    """
    name = source.task.task if source.task is not None else "fill_mask"
    if name == "fill_mask" and "masked_lm" not in source.heads:
        raise InputError(
            "Predicting needs a model with a head for a task, or for masked words. Received "
            f"'{source.path}' ({source.format}) with "
            f"{', '.join(source.heads) or 'an encoder alone'}. Fine-tune it first: "
            "`albert-tf train --gin_file finetune_table --help`."
        )
    module, _, class_name = _CLASSES[name].rpartition(".")
    found = getattr(importlib.import_module(f"albert_tf.tasks.{module}"), class_name)
    return found.from_source(source, **config)
