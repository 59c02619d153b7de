"""Which class is the model of which task."""

from __future__ import annotations

import importlib

from albert_tf.config import AlbertConfig
from albert_tf.modeling.task_model import TaskModel
from albert_tf.task_types import TaskDescription

# Named as text: reading a classifier should not load the other models.
_CLASSES = {
    "classification": "classification.model.AlbertClassifier",
    "regression": "classification.model.AlbertClassifier",
    "question_answering": "question_answering.model.AlbertSpanLabeler",
    "joint_question_answering": "question_answering.joint_model.AlbertJointSpanLabeler",
    "multiple_choice": "multiple_choice.model.AlbertMultipleChoice",
    "tagging": "tagging.model.AlbertTokenClassifier",
    "fill_mask": "fill_mask.model.AlbertMaskedLM",
}


def model_class(task: str) -> type[TaskModel]:
    """Returns the class of the model for a task of `TaskDescription`."""
    module, _, name = _CLASSES[task].rpartition(".")
    return getattr(importlib.import_module(f"albert_tf.tasks.{module}"), name)


def build(config: AlbertConfig, task: TaskDescription) -> TaskModel:
    """Returns a new model for a task, its weights random."""
    return model_class(task.task).from_description(config, task)
