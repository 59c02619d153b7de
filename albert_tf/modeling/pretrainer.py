"""`AlbertPretrainer`: the encoder with the two pretraining heads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.modeling import pretrained
from albert_tf.modeling.encoder_model import EncoderModel
from albert_tf.modeling.heads import MaskedLMHead, SentenceOrderHead
from albert_tf.modeling.inputs import named
from albert_tf.modeling.layers import policy_of
from albert_tf.tokenization.tokenizer import AlbertTokenizer


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class AlbertPretrainer(EncoderModel):
    """An encoder with a masked language model head and a sentence-order head.

    Inputs: the encoder's dict and `masked_lm_positions` int32 [B, P]. Other entries, such as the
    labels of the batch, are ignored. Outputs: the encoder's dict with `sop_logits` float32 [B, 2]
    and, if positions are given, `mlm_logits` float32 [B, P, V].

    Args:
      config: the config of the model. As in the original, the heads use its activation and its
        initializer range.
      recompute: see `AlbertEncoder`.
      **kwargs: `name`, `dtype` and `trainable` of Keras models.
    """

    def __init__(
        self, config: AlbertConfig | Mapping[str, Any], recompute: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(config, recompute, **kwargs)
        config = self.albert_config
        initializer = tf_keras.initializers.TruncatedNormal(stddev=config.initializer_range)
        with policy_of(self):
            self.masked_lm = MaskedLMHead(
                self.encoder.get_embedding_table(),
                config.hidden_size,
                config.hidden_act,
                initializer,
                name="masked_lm",
            )
            self.sentence_order = SentenceOrderHead(
                config.hidden_size, initializer, name="sentence_order"
            )
        self.build_heads(self.masked_lm, self.sentence_order)

    @classmethod
    def from_pretrained(
        cls,
        path_or_handle: str | os.PathLike,
        config: AlbertConfig | None = None,
        allow_partial: bool = False,
        **kwargs: Any,
    ) -> AlbertPretrainer:
        """Loads a model with its heads; for the arguments see `AlbertEncoder.from_pretrained`."""
        return pretrained.from_pretrained(cls, path_or_handle, config, allow_partial, **kwargs)

    def save_pretrained(
        self, folder: str | os.PathLike, tokenizer: AlbertTokenizer | None = None
    ) -> None:
        """Saves the model with its heads; see `AlbertEncoder.save_pretrained`."""
        pretrained.save(self, folder, self.albert_config, tokenizer=tokenizer)

    @property
    def checkpoint_items(self) -> dict[str, Any]:
        """The parts that a checkpoint also holds separately, under Model Garden's names."""
        return dict(
            encoder=self.encoder, masked_lm=self.masked_lm, sentence_order=self.sentence_order
        )

    def predictions(
        self, features: Mapping[str, tf.Tensor], training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Returns only `mlm_logits` and `sop_logits`, equal to those of a call but cheaper.

        After attention, the last block computes only the positions that the heads read.
        """
        masked = features["masked_lm_positions"]  # [B, P]
        positions = tf.concat([tf.zeros_like(masked[:, :1]), masked], axis=1)  # 0 is pooled
        outputs = self.encoder(features, training=training, output_positions=positions)
        return dict(
            mlm_logits=self.masked_lm.logits(outputs["sequence_output"][:, 1:]),
            sop_logits=self.sentence_order(outputs["pooled_output"]),
        )

    def call(self, features: Mapping[str, tf.Tensor], training: bool = False) -> dict[str, Any]:
        features = named(features)
        outputs = dict(self.encoder(features, training=training))
        if "masked_lm_positions" in features:
            outputs["mlm_logits"] = self.masked_lm(
                outputs["sequence_output"], features["masked_lm_positions"]
            )
        outputs["sop_logits"] = self.sentence_order(outputs["pooled_output"])
        return outputs
