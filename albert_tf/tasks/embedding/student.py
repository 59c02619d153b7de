"""`EmbeddingStudent`: how vectors are compared with those of a teacher."""

from __future__ import annotations

import tensorflow as tf

from albert_tf.embedding_settings import EmbeddingSettings
from albert_tf.errors import InputError
from albert_tf.formats.source import Source
from albert_tf.tasks.base import Tensors
from albert_tf.tasks.distillation.config import LOGITS
from albert_tf.tasks.fine_tuning import FineTuningTask


class EmbeddingStudent(FineTuningTask):
    """A task whose outputs are vectors of texts, float32 [B, C, D]."""

    MAY_LACK_LABELS = False

    def check_teacher(self, source: Source) -> None:
        """Raises `InputError` if the vectors of the teacher have another size."""
        if LOGITS not in self.task_config.distillation.parts:
            return
        theirs = EmbeddingSettings.of(source.task.settings).size(source.config.hidden_size)
        ours = EmbeddingSettings.of(self.settings()).size(self.task_config.model.hidden_size)
        if ours != theirs:
            raise InputError(
                "The vectors of a teacher must have the size of its student's. Received vectors of "
                f"{ours} numbers for TEACHER='{source.path}' with {theirs}. Set DISTILL_LOGITS=0 "
                "to learn from hidden states only."
            )

    def soft_weights(self, labels: Tensors) -> dict[str, tf.Tensor]:
        """Returns 1 for each text that exists, [B, C]."""
        if "target" in labels:
            return {"logits": tf.ones_like(labels["text"], tf.float32)}
        return {"logits": tf.cast(labels["text"] >= 0, tf.float32)}

    def soft_losses(
        self, labels: Tensors, outputs: tf.Tensor, teacher: tf.Tensor, temperature: float
    ) -> dict[str, tf.Tensor]:
        """Returns 1 - the cosine of the vectors of student and teacher, [B, C]."""
        ours, theirs = (tf.math.l2_normalize(x, axis=-1) for x in (outputs, teacher))
        return {"logits": 1.0 - tf.reduce_sum(ours * theirs, axis=-1)}
