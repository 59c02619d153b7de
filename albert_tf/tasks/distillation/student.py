"""`FineTuningStudent`: how fine-tuning tasks learn from a teacher, with and without labels."""

from __future__ import annotations

import abc
import functools
import sys
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
import tf_keras

from albert_tf.errors import InputError
from albert_tf.formats.source import Source
from albert_tf.task_types import TaskDescription
from albert_tf.tasks import batching
from albert_tf.tasks.base import AlbertTask, Tensors
from albert_tf.tasks.distillation import losses, teacher
from albert_tf.tasks.distillation.step import TEACHER_LOGITS
from albert_tf.tasks.encoded_examples import EncodedExamples, Outputs
from albert_tf.tasks.fine_tuning_config import FineTuningDataConfig
from albert_tf.tasks.task_files import TaskFiles
from albert_tf.tasks.text_windows import FIRST

LABELLED = "labelled"  # 1 for examples with a label, 0 for those with the teacher's losses only.


class FineTuningStudent(TaskFiles, AlbertTask, abc.ABC):
    """A task on labelled text whose model may learn from a teacher.

    Attributes:
      WHOLE_TEXTS: whether the outputs are one row of logits for each text, so that a teacher with
        another vocabulary can give them.
      MAY_LACK_LABELS: whether training can use texts without labels.
    """

    WHOLE_TEXTS: ClassVar[bool] = False
    MAY_LACK_LABELS: ClassVar[bool] = True

    @functools.cached_property
    def teacher(self) -> teacher.Teacher:
        """The teacher, which is checked on first use.

        Raises:
          InputError: it cannot be read, or cannot teach this task.
        """
        settings, wanted = self.task_config.distillation, self.describe()
        found = teacher.find(settings, self.task_config.model.to_albert_config(), self.tokenizer)
        teacher.check_task(found, wanted)
        teacher.check_vocabulary(found, settings, self.WHOLE_TEXTS, wanted.task)
        if self.WHOLE_TEXTS and not found.other_vocabulary:
            _check_windows(found.source, wanted)
        longest = found.source.config.max_position_embeddings
        length = self.task_config.train_data.seq_length
        if not found.other_vocabulary and length > longest:
            raise InputError(
                "A teacher must be able to read the texts of its student. Received SEQ_LENGTH="
                f"{length} for TEACHER='{found.source.path}' with max_position_embeddings="
                f"{longest}. Lower SEQ_LENGTH."
            )
        self.check_teacher(found.source)
        return found

    def check_teacher(self, source: Source) -> None:
        """Raises `InputError` if a model for the same task and labels cannot teach this one."""

    def build_teacher(self, source: Source) -> tf_keras.Model:
        """Returns the model of the teacher without dropout."""
        return self.MODEL.from_source(source, False, dropout_rate=0.0)

    def soft_weights(self, labels: Tensors) -> dict[str, tf.Tensor]:
        """Returns the weights of `soft_losses`: 1 for each example, by default."""
        return {"logits": tf.ones_like(labels["example"], tf.float32)}

    def soft_losses(
        self, labels: Tensors, outputs: Any, teacher: Any, temperature: float
    ) -> dict[str, tf.Tensor]:
        """Returns the divergence of a softmax over the last axis, by default."""
        return {"logits": losses.soft_cross_entropy(outputs, teacher, temperature)}

    # === Data ===
    def with_teacher(
        self, examples: EncodedExamples, params: FineTuningDataConfig
    ) -> EncodedExamples:
        """Returns training examples with those of `unlabelled`, and with the teacher's logits.

        The logits are added if the teacher reads other ids. Without dropout, they are the same in
        each epoch.

        Raises:
          InputError: the task needs labels, or the files have no examples.
        """
        settings = self.task_config.distillation
        if settings.unlabelled:
            examples = self._with_unlabelled(examples, params)
        if self.teacher.other_vocabulary:
            examples.labels[TEACHER_LOGITS] = self._logits_of_teacher(examples, params)
        return examples

    def _with_unlabelled(
        self, examples: EncodedExamples, params: FineTuningDataConfig
    ) -> EncodedExamples:
        files = self.task_config.distillation.unlabelled
        if not self.MAY_LACK_LABELS:
            raise InputError(
                f"UNLABELLED is not for {self.describe().task}, whose rows are compared with each "
                f"other. Received UNLABELLED={files!r:.80}. Add the texts to TRAIN_DATA, and set "
                "DISTILL_LABELS=0 to learn from the teacher only."
            )
        others = self.read(params.replace(input_path=files, tfds_name=""), labelled=False)
        if not len(others):
            raise InputError(
                f"UNLABELLED must have texts. Received 0 examples in {files!r:.200}. Check the "
                "path, or leave it out."
            )
        if others.report is not None:
            others.report.show()
        print(f"{files}: {len(others):,} examples without labels", file=sys.stderr)
        others.labels |= self.without_label(others)
        count = len(examples)
        examples = examples.followed_by(others)
        examples.labels[LABELLED] = (np.arange(len(examples)) < count).astype(np.float32)
        return examples

    def without_label(self, examples: EncodedExamples) -> dict[str, Any]:
        """Returns labels of examples without any that stand for what is known; none by default."""
        return {}

    def _logits_of_teacher(
        self, examples: EncodedExamples, params: FineTuningDataConfig
    ) -> np.ndarray:
        """Returns the logits of the teacher for the texts of examples, float32 [N, C]."""
        source = self.teacher.source
        task = type(self).from_source(source)
        length = min(params.seq_length, source.config.max_position_embeddings)
        if source.task is not None:
            length = source.task.settings.get("seq_length", length)
        rows, texts = examples.sources, params.replace(seq_length=length, is_training=False)
        own = task.encode(rows, texts, False, task.new_report(labelled=False))
        data = batching.dataset(own, global_batch_size=params.global_batch_size, is_training=False)
        model = self.teacher.model(self.build_teacher, remove_padding=True)
        step = tf.function(
            lambda batch: {"example": batch["example"], "logits": model(batch)},
            input_signature=[data.element_spec],
        )
        print(f"logits of the teacher for {len(own):,} texts", file=sys.stderr)
        return Outputs.gather(map(step, data)).stacked()


def _check_windows(teacher: Source, student: TaskDescription) -> None:
    theirs, ours = (task.settings.get("windows", FIRST) for task in (teacher.task, student))
    if ours != FIRST and theirs != ours:
        raise InputError(
            "A teacher must read long texts as its student does. Received WINDOWS="
            f"{ours!r} for TEACHER='{teacher.path}' with {theirs!r}. Set WINDOWS={theirs}."
        )
