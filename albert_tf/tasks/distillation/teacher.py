"""`Teacher`: the model that a student learns from, and whether it can teach that student."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats.load import load
from albert_tf.formats.mapping import shortened
from albert_tf.formats.source import Source
from albert_tf.task_types import TaskDescription
from albert_tf.tasks import starting_point
from albert_tf.tasks.distillation.config import ATTENTION, HIDDEN, DistillationConfig, macro
from albert_tf.tokenization.tokenizer import AlbertTokenizer


@dataclasses.dataclass
class Teacher:
    """A model that is not trained, and computes without dropout.

    Attributes:
      source: the result of `formats.load`.
      order: for each output of the student, the index of the teacher's with the same label, int
        [C]; None for the same order.
      other_vocabulary: whether it reads texts as other ids than its student.
    """

    source: Source
    order: np.ndarray | None = None
    other_vocabulary: bool = False

    _model: tf_keras.Model | None = None

    def model(self, build: Callable[[Source], tf_keras.Model], remove_padding: bool) -> Any:
        """Returns the model, which is built on the first call.

        It is called with `training=True`, because models then compute what losses need and no
        more. Its dropout rates are 0.

        Args:
          build: takes a source and returns a model with its weights and head.
          remove_padding: see `AlbertEncoder`; the same as for its student.
        """
        if self._model is None:
            config = dataclasses.replace(
                self.source.config, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
            )
            self._model = build(dataclasses.replace(self.source, config=config))
            self._model.trainable = False
        self._model.encoder.remove_padding = remove_padding
        return self._model


def find(
    settings: DistillationConfig, student: AlbertConfig, tokenizer: AlbertTokenizer
) -> Teacher:
    """Returns the teacher of a run.

    Args:
      settings: the settings of distillation, with a teacher.
      student: the config of the student.
      tokenizer: the tokenizer of the student.

    Raises:
      InputError: the teacher cannot be read, has no vocabulary, or its layers or heads cannot be
        compared with those of the student.
    """
    source = load(settings.teacher)
    if source.model_file is None:
        raise InputError(
            "A teacher must come with its vocabulary, which tells whether it reads the same ids. "
            f"Received TEACHER='{source.path}' ({source.format}) without one. Convert it with "
            "`albert-tf convert --vocab FILE`, or copy the vocabulary into its folder."
        )
    theirs = starting_point.tokenizer_of(source)
    same = tokenizer.model_proto == theirs.model_proto
    same = same and tokenizer.preprocessing == theirs.preprocessing
    teacher = Teacher(source, other_vocabulary=not same)
    config = source.config
    layers = [c.num_hidden_layers * c.inner_group_num for c in (student, config)]
    compares = [name for name in (HIDDEN, ATTENTION) if name in settings.parts]
    if compares and layers[0] > layers[1]:
        raise InputError(
            f"{macro(compares[0])} needs a teacher with at least as many layers as its student. "
            f"Received {layers[0]} layers for TEACHER='{source.path}' with {layers[1]}. Set "
            f"{' and '.join(f'{macro(name)}=0' for name in compares)}, or lower NUM_LAYERS."
        )
    heads = student.num_attention_heads, config.num_attention_heads
    if ATTENTION in compares and heads[0] != heads[1]:
        raise InputError(
            "DISTILL_ATTENTION needs a teacher with as many attention heads as its student. "
            f"Received {heads[0]} heads for TEACHER='{source.path}' with {heads[1]}. Set "
            "DISTILL_ATTENTION=0."
        )
    return teacher


def check_vocabulary(
    teacher: Teacher, settings: DistillationConfig, whole: bool, task: str
) -> None:
    """Checks that a teacher with another vocabulary teaches logits of whole texts only.

    Args:
      teacher: the teacher.
      settings: the settings of distillation.
      whole: whether the logits of the task are those of whole texts.
      task: the name of the task.

    Raises:
      InputError: the teacher has another vocabulary, and teaches something else.
    """
    others = [
        f"{macro(n)}={getattr(settings, n)}" for n in (HIDDEN, ATTENTION) if n in settings.parts
    ]
    if not teacher.other_vocabulary or (whole and not others):
        return
    zeros = [f"{macro(name)}=0" for name in (HIDDEN, ATTENTION) if name in settings.parts]
    raise InputError(
        "A teacher must have the vocabulary and preprocessing of its student, unless it teaches "
        "only the logits of whole texts, in classification. Received "
        f"TEACHER='{teacher.source.path}' with another one for {task}"
        f"{' and '.join([''] + others) if whole else ''}. "
        + (f"Set {' and '.join(zeros)}, or use" if whole else "Use")
        + " a teacher that was trained with the same vocabulary."
    )


def check_task(teacher: Teacher, wanted: TaskDescription) -> None:
    """Checks the task and the labels of a teacher, and sets `order`.

    Raises:
      InputError: the teacher is a model for another task, or has other labels or no head.
    """
    source, found = teacher.source, teacher.source.task
    if found is None or found.task != wanted.task:
        raise InputError(
            "A teacher must be fine-tuned for the task of its student. Received "
            f"TEACHER='{source.path}', a model for {found.task if found else 'no task'}, and a "
            f"student for {wanted.task}. Fine-tune the teacher first, with the same recipe and "
            "data."
        )
    if {*found.labels} != {*wanted.labels}:
        more, fewer = {*found.labels} - {*wanted.labels}, {*wanted.labels} - {*found.labels}
        raise InputError(
            "A teacher must have the labels of its student, in any order. Received "
            f"TEACHER='{source.path}', which alone has {_named(more)}, for a student that "
            f"alone has {_named(fewer)}. Set LABELS to those of the teacher, or "
            "use another teacher."
        )
    if found.labels != wanted.labels:
        index = {label: i for i, label in enumerate(found.labels)}
        teacher.order = np.array([index[label] for label in wanted.labels])


def _named(labels: set[str]) -> str:
    return shortened(sorted(map(repr, labels))) if labels else "no label"
