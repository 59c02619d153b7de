"""`AlbertMaskedLM`: the encoder with the masked language model head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.formats.source import Source
from albert_tf.modeling.encoder_model import as_config
from albert_tf.modeling.heads import MaskedLMHead
from albert_tf.modeling.inputs import named
from albert_tf.modeling.task_model import TaskModel


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class AlbertMaskedLM(TaskModel):
    """`AlbertPretrainer` without pooler and sentence order, like transformers' AlbertForMaskedLM.

    Inputs: the encoder's dict and `masked_lm_positions` int32 [B, P]. Output: logits over the
    vocabulary, float32 [B, P, V], or [B, S, V] if no positions are given.

    Args:
      config: the encoder's config; the head uses its activation and initializer range.
      dropout_rate: the rate for the input of the head; 0 as in the original.
    """

    TASKS = ("fill_mask",)

    def __init__(
        self,
        config: AlbertConfig | Mapping[str, Any],
        dropout_rate: float = 0.0,
        **kwargs: Any,
    ) -> None:
        config = as_config(config)
        initializer = tf_keras.initializers.TruncatedNormal(stddev=config.initializer_range)
        super().__init__(
            config,
            lambda encoder: MaskedLMHead(
                encoder.get_embedding_table(),
                config.hidden_size,
                config.hidden_act,
                initializer,
                name="masked_lm",
            ),
            dropout_rate,
            **kwargs,
        )

    @classmethod
    def has_head(cls, source: Source) -> bool:
        """Returns True: pretrained models have this head, and `assign` reports if one lacks it."""
        return True

    @property
    def masked_lm(self) -> MaskedLMHead:
        """The head, by its name in `AlbertPretrainer`."""
        return self.head

    @property
    def checkpoint_items(self) -> dict[str, Any]:
        """The parts that a checkpoint stores in addition to the model, by Model Garden's names."""
        return dict(encoder=self.encoder, masked_lm=self.head)

    def call(self, features: Mapping[str, tf.Tensor], training: bool = False) -> Any:
        features = named(features)
        sequence = self.encode(features, training)  # [B, S, H]
        sequence = self.dropout(sequence, training=training)
        return self.head(sequence, features.get("masked_lm_positions"))  # [B, P, V]
