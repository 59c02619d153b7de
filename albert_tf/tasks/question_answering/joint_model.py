"""`AlbertJointSpanLabeler`: predicts where an answer begins and ends, and whether there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.modeling.encoder_model import as_config
from albert_tf.modeling.inputs import named
from albert_tf.modeling.task_model import DROPOUT, TaskModel
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.question_answering.joint_head import JointSpanHead, answer_positions


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class AlbertJointSpanLabeler(TaskModel):
    """The ALBERT model for SQuAD 2.0 (Lan et al. 2020, section 4; original squad_utils.py, v2).

    ```python
    model = AlbertJointSpanLabeler.from_pretrained("albert_base_v2")
    outputs = model(tokenizer("Who wrote it?", "Ada wrote it."))
    outputs["impossible_logits"]  # [1], above 0 for no answer
    ```

    Inputs: the encoder's dict, where type id 1 marks the context and the [SEP] after it, and so the
    positions of possible answers; and `start_positions` int32 [B], the true starts, to compute
    losses. Other entries are ignored. Outputs: those of `JointSpanHead`.

    Args:
      config: the encoder's config.
      dropout_rate: the rate in the head, before its no-answer prediction.
      start_n_top: the beam size for starts in inference.
      end_n_top: the beam size for ends of each start in inference.
    """

    TASKS = ("joint_question_answering",)

    def __init__(
        self,
        config: AlbertConfig | Mapping[str, Any],
        dropout_rate: float = DROPOUT,
        start_n_top: int = 5,
        end_n_top: int = 5,
        **kwargs: Any,
    ) -> None:
        config = as_config(config)
        self._beams = dict(start_n_top=start_n_top, end_n_top=end_n_top)
        initializer = tf_keras.initializers.TruncatedNormal(stddev=config.initializer_range)
        super().__init__(
            config,
            lambda _: JointSpanHead(
                config.hidden_size, initializer, dropout_rate, **self._beams, name="joint_span"
            ),
            dropout_rate,
            **kwargs,
        )

    @classmethod
    def from_description(
        cls, config: AlbertConfig, description: TaskDescription, **kwargs: Any
    ) -> AlbertJointSpanLabeler:
        """Returns a new model with the beam sizes of a task description."""
        names = ("start_n_top", "end_n_top")
        beams = {n: description.settings[n] for n in names if n in description.settings}
        return cls(config, **{**beams, **kwargs})

    def describe(self) -> TaskDescription:
        """Returns the task of the model with its beam sizes."""
        return TaskDescription(self.TASKS[0], settings={**self._settings(), **self._beams})

    def call(self, features: Mapping[str, tf.Tensor], training: bool = False) -> dict[str, Any]:
        features = named(features)
        if "input_type_ids" not in features:
            raise InputError(
                "The type ids mark where an answer can be. Received no input_type_ids, but "
                f"{sorted(features)}. Add them, with 1 for the context and the [SEP] after it."
            )
        sequence = self.encode(features, training)  # [B, S, H]
        allowed = answer_positions(features["input_type_ids"])  # [B, S]
        return self.head(sequence, allowed, features.get("start_positions"), training=training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._beams}
