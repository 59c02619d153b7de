"""Which class is the model of which task."""

from __future__ import annotations

import importlib

from albert_tf.config import AlbertConfig
from albert_tf.modeling.task_model import TaskModel
from albert_tf.task_types import TaskDescription

# Named as text: reading a classifier should not load the other models.
_CLASSES = {
    "classification": "classifier.AlbertClassifier",
    "regression": "classifier.AlbertClassifier",
    "question_answering": "span_labeler.AlbertSpanLabeler",
    "joint_question_answering": "joint_span_labeler.AlbertJointSpanLabeler",
    "multiple_choice": "multiple_choice.AlbertMultipleChoice",
    "tagging": "token_classifier.AlbertTokenClassifier",
    "fill_mask": "masked_lm.AlbertMaskedLM",
}


def model_class(task: str) -> type[TaskModel]:
    """Returns the class of the model for a task of `TaskDescription`."""
    module, _, name = _CLASSES[task].partition(".")
    return getattr(importlib.import_module(f"albert_tf.modeling.{module}"), name)


def build(config: AlbertConfig, task: TaskDescription) -> TaskModel:
    """Returns a new model for a task, its weights random."""
    return model_class(task.task).from_description(config, task)
