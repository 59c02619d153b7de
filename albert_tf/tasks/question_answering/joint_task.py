"""Question answering with SQuAD's files, as the original does it for 2.0."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from official.core import task_factory

from albert_tf.tasks.base import Tensors
from albert_tf.tasks.question_answering import span_decoding
from albert_tf.tasks.question_answering.joint_model import AlbertJointSpanLabeler
from albert_tf.tasks.question_answering.span_decoding import Candidates
from albert_tf.tasks.question_answering.span_windows import Window
from albert_tf.tasks.question_answering.task import (
    QuestionAnsweringConfig,
    QuestionAnsweringTask,
)


@dataclasses.dataclass
class JointQuestionAnsweringConfig(QuestionAnsweringConfig):
    """What `JointQuestionAnsweringTask` needs.

    Attributes:
      start_n_top: starts of a window that are followed; 5 in the original.
      end_n_top: ends for each of them; 5 in the original.
    """

    start_n_top: int = 5
    end_n_top: int = 5


@task_factory.register_task_cls(JointQuestionAnsweringConfig)
class JointQuestionAnsweringTask(QuestionAnsweringTask):
    """Answers as parts of a context, by ends given their starts, and a verdict if there is none.

    The loss is half the sum of the mean cross entropies of start, end given the true start, and
    verdict (original squad_utils.py:v2_model_fn_builder).
    """

    MODEL = AlbertJointSpanLabeler
    SETTINGS = (*QuestionAnsweringTask.SETTINGS, "start_n_top", "end_n_top")
    COUNTS = (*QuestionAnsweringTask.COUNTS, "start_n_top", "end_n_top")

    @classmethod
    def config_class(cls) -> type[JointQuestionAnsweringConfig]:
        """`JointQuestionAnsweringConfig`."""
        return JointQuestionAnsweringConfig

    def losses(self, labels: Tensors, outputs: Tensors) -> tf.Tensor:
        """Returns the loss of each window; see the class."""
        sides = [
            -tf.gather(outputs[f"{side}_log_probs"], labels[f"{side}_positions"], batch_dims=1)
            for side in ("start", "end")
        ]
        verdict = tf.nn.sigmoid_cross_entropy_with_logits(
            tf.cast(labels["impossible"], tf.float32), outputs["impossible_logits"]
        )
        return 0.5 * tf.add_n([*sides, verdict])  # [B]

    def kept(self, outputs: Tensors) -> dict[str, tf.Tensor]:
        """Returns the beams and the verdict; scores of all positions serve the loss alone."""
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
        """Returns the verdict of the window that is the surest of an answer."""
        return min(nulls)
