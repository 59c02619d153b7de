"""Task models of every kind for tests: runs with random weights, to be exported once."""

from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from albert_tf.export import task_model
from albert_tf.export.task_model import Settings
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tasks.multiple_choice.task import MultipleChoiceTask
from albert_tf.tasks.question_answering.joint_task import JointQuestionAnsweringTask
from albert_tf.tasks.question_answering.task import QuestionAnsweringTask
from albert_tf.tasks.tagging.task import TaggingTask
from tests.support import tiny_task

LENGTH = 24  # Some of the texts are longer.
WINDOWS = dict(doc_stride=5, max_query_length=6, n_best=4, max_answer_length=3)
FINE_TUNED = {
    "classification": (ClassificationTask, ("bad", "fair", "good"), {}),
    "pair_regression": (ClassificationTask, (), {"second_text": "b"}),
    "question_answering": (QuestionAnsweringTask, (), WINDOWS),
    "joint_question_answering": (
        JointQuestionAnsweringTask,
        (),
        {**WINDOWS, "start_n_top": 4, "end_n_top": 3},
    ),
    "tagging": (TaggingTask, ("O", "B-A", "I-A"), {}),
    "multiple_choice": (MultipleChoiceTask, (), {"max_qa_length": 9}),
}
PRETRAINED = {
    "fill_mask": Settings(seq_length=16, top_k=3),
    "embedding": Settings(seq_length=20, pooling="mean"),
}
KINDS = (*FINE_TUNED, *PRETRAINED)


class Served(NamedTuple):
    """What was exported, and the export, loaded."""

    kind: str
    source: Path
    path: Path
    model: Any


def export(kind, pretrained, folder):
    """Writes version 1 of a model of this kind.

    Args:
      kind: of `KINDS`.
      pretrained: the source of those that need no fine-tuning.
      folder: for the source of others, and the export.
    """
    source = _saved(folder / "run", kind) if kind in FINE_TUNED else pretrained
    settings = PRETRAINED.get(kind, Settings())
    path = task_model.export(source, folder / "models/mine", settings=settings, check=False)
    return Served(kind, source, path, tf.saved_model.load(str(path)))


def _saved(folder, kind):
    """A run of the task whose weights are random."""
    cls, labels, settings = FINE_TUNED[kind]
    task = kind.removeprefix("pair_")
    description = TaskDescription(task, labels, {**settings, "seq_length": LENGTH})
    found = tiny_task.task(cls, seq_length=LENGTH)
    found.describe = lambda: description
    tf.keras.utils.set_random_seed(5)
    return tiny_task.save(found, found.build_model(), folder)
