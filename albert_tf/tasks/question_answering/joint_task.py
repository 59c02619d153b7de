"""`JointQuestionAnsweringTask`: question answering with the original's model for SQuAD 2.0."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from official.core import task_factory

from albert_tf.tasks.base import Tensors
from albert_tf.tasks.distillation.losses import soft_cross_entropy, soft_sigmoids
from albert_tf.tasks.question_answering import span_decoding
from albert_tf.tasks.question_answering.joint_head import answer_positions
from albert_tf.tasks.question_answering.joint_model import AlbertJointSpanLabeler
from albert_tf.tasks.question_answering.span_decoding import Candidates
from albert_tf.tasks.question_answering.span_windows import Window
from albert_tf.tasks.question_answering.task import (
    QuestionAnsweringConfig,
    QuestionAnsweringTask,
)


@dataclasses.dataclass
class JointQuestionAnsweringConfig(QuestionAnsweringConfig):
    """The config of `JointQuestionAnsweringTask`.

    Attributes:
      start_n_top: the beam size for starts in a window; 5 in the original.
      end_n_top: the beam size for ends of each start; 5 in the original.
    """

    start_n_top: int = 5
    end_n_top: int = 5


@task_factory.register_task_cls(JointQuestionAnsweringConfig)
class JointQuestionAnsweringTask(QuestionAnsweringTask):
    """Finds answers as spans of a context and predicts whether there is an answer.

    End scores are conditioned on the start. The loss is half the sum of three mean cross entropies:
    of the start, of the end given the true start, and of the no-answer prediction (original
    squad_utils.py:v2_model_fn_builder).
    """

    MODEL = AlbertJointSpanLabeler
    SETTINGS = (*QuestionAnsweringTask.SETTINGS, "start_n_top", "end_n_top")
    COUNTS = (*QuestionAnsweringTask.COUNTS, "start_n_top", "end_n_top")

    @classmethod
    def config_class(cls) -> type[JointQuestionAnsweringConfig]:
        """Returns `JointQuestionAnsweringConfig`."""
        return JointQuestionAnsweringConfig

    def losses(self, labels: Tensors, outputs: Tensors) -> tf.Tensor:
        """Returns the loss of each window; see the class."""
        sides = [
            -tf.gather(outputs[f"{side}_log_probs"], labels[f"{side}_positions"], batch_dims=1)
            for side in ("start", "end")
        ]
        no_answer = tf.nn.sigmoid_cross_entropy_with_logits(
            tf.cast(labels["impossible"], tf.float32), outputs["impossible_logits"]
        )
        return 0.5 * tf.add_n([*sides, no_answer])  # [B]

    def soft_losses(
        self, labels: Tensors, outputs: Tensors, teacher: Tensors, temperature: float
    ) -> dict[str, tf.Tensor]:
        """Returns half the sum of three divergences: of starts, ends and no answer.

        Ends are those given the true start or, without a label, given [CLS].
        """
        allowed = answer_positions(labels["input_type_ids"])  # [B, S]
        names = "start_log_probs", "end_log_probs"
        sides = [soft_cross_entropy(outputs[n], teacher[n], temperature, allowed) for n in names]
        pair = (o["impossible_logits"] for o in (outputs, teacher))
        return {"logits": 0.5 * tf.add_n([*sides, soft_sigmoids(*pair, temperature)])}

    def kept(self, outputs: Tensors) -> dict[str, tf.Tensor]:
        """Returns all outputs except the scores of all positions, which only the loss needs."""
        return {n: v for n, v in outputs.items() if n not in ("start_log_probs", "end_log_probs")}

    def _candidates(
        self, window: Window, outputs: Mapping[str, np.ndarray]
    ) -> tuple[Candidates, float]:
        candidates = span_decoding.beam_candidates(
            outputs["start_top_log_probs"],
            outputs["start_top_index"],
            outputs["end_top_log_probs"],
            outputs["end_top_index"],
            window,
            self.task_config.max_answer_length,
        )
        return candidates, float(outputs["impossible_logits"])

    def _null_odds(self, spans: Sequence[span_decoding.Span], nulls: Sequence[float]) -> float:
        """Returns the no-answer score of the window that is most confident of an answer."""
        return min(nulls)
