"""Exports task models of every kind with random weights."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras

from albert_tf.export import precision, task_model
from albert_tf.export.precision import FLOAT32, INT8
from albert_tf.export.task_model import Settings
from albert_tf.serving.limits import Limits
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tasks.multiple_choice.task import MultipleChoiceTask
from albert_tf.tasks.question_answering.joint_task import JointQuestionAnsweringTask
from albert_tf.tasks.question_answering.task import QuestionAnsweringTask
from albert_tf.tasks.tagging.task import TaggingTask
from tests.support import tiny_task

LIMITS = Limits()
LENGTH = 24  # Some texts are longer.
WINDOWS = dict(doc_stride=5, max_query_length=6, n_best=4, max_answer_length=3)
FINE_TUNED = {
    "classification": (ClassificationTask, ("bad", "fair", "good"), {}),
    "pair_regression": (ClassificationTask, (), {"second_text": "b"}),
    "pair_multi_label": (
        ClassificationTask,
        ("a", "b", "c"),
        {"second_text": "b", "windows": "max", "doc_stride": 7},
    ),
    "question_answering": (QuestionAnsweringTask, (), WINDOWS),
    "joint_question_answering": (
        JointQuestionAnsweringTask,
        (),
        {**WINDOWS, "start_n_top": 4, "end_n_top": 3},
    ),
    "tagging": (TaggingTask, ("O", "B-A", "I-A"), {}),
    "entities": (TaggingTask, ("O", "B-A", "I-A", "B-B", "I-B"), {"words": "unicode"}),
    "multiple_choice": (MultipleChoiceTask, (), {"max_qa_length": 9}),
}
PRETRAINED = {
    "fill_mask": Settings(seq_length=16, top_k=3),
    "embedding": Settings(seq_length=20, pooling="mean"),
}
KINDS = (*FINE_TUNED, *PRETRAINED)


class Served(NamedTuple):
    """The source of an export, its path, and the loaded model."""

    kind: str
    source: Path
    path: Path
    model: Any
    precision: str = FLOAT32

    @property
    def tolerance(self):
        """How much an output may depend on the other rows of its batch.

        Products in int8 are the same in every batch, but sums in float32, such as those of
        attention, differ by 1e-7, which may move an activation to the next of 255 levels: 1e-3 in
        an output.
        """
        return 2e-3 if self.precision == INT8 else 1e-5


def export(
    kind,
    pretrained,
    folder,
    limits=LIMITS,
    length=LENGTH,
    sizes=tiny_task.MODEL,
    products=FLOAT32,
):
    """Writes version 1 of a model of this kind.

    Args:
      kind: one of `KINDS`.
      pretrained: the source for kinds that need no fine-tuning.
      folder: where to write the export, and the source for all other kinds.
      limits: the limits of a request.
      length: the maximum sequence length of the other kinds.
      sizes: the sizes of the model of the other kinds.
      products: the precision of products.
    """
    source = pretrained
    if kind in FINE_TUNED:
        source = _saved(folder / "run", kind, length, sizes)
    settings = dataclasses.replace(
        PRETRAINED.get(kind, Settings()), limits=limits, precision=precision.Settings(products)
    )
    path = task_model.export(source, folder / "models/mine", settings=settings, check=False)
    return Served(kind, source, path, tf.saved_model.load(str(path)), products)


def _saved(folder, kind, length, sizes):
    """Saves a run of the task with random weights."""
    cls, labels, settings = FINE_TUNED[kind]
    name = "tagging" if kind == "entities" else kind.removeprefix("pair_")
    description = TaskDescription(name, labels, {**settings, "seq_length": length})
    task = tiny_task.task(cls, seq_length=length, model=sizes)
    task.describe = lambda: description
    tf_keras.utils.set_random_seed(5)
    return tiny_task.save(task, task.build_model(), folder)
