"""`AlbertPretrainer`: the encoder with the two heads of pretraining."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.modeling import inputs, pretrained
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.heads import MaskedLMHead, SentenceOrderHead
from albert_tf.modeling.layers import build_parts


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class AlbertPretrainer(tf_keras.Model):
    """Masked language model and sentence order on one encoder.

    Inputs: the encoder's dict and `masked_lm_positions` int32 [B, P]; other entries, such as labels
    of the same batch, are left alone. Outputs: the encoder's dict with `mlm_logits` float32
    [B, P, V], if positions are given, and `sop_logits` float32 [B, 2].

    Args:
      config: the model. Heads use its activation and initializer range, as the original does.
      recompute: as `AlbertEncoder` takes it.
    """

    def __init__(
        self, config: AlbertConfig | Mapping[str, Any], recompute: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(config, AlbertConfig):
            config = AlbertConfig.from_dict(config)
        self.albert_config, self._recompute = config, recompute
        initializer = tf_keras.initializers.TruncatedNormal(stddev=config.initializer_range)
        self.encoder = AlbertEncoder.from_albert_config(config, recompute=recompute, name="encoder")
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
        build_parts((self.masked_lm, None), (self.sentence_order, None))

    @classmethod
    def from_pretrained(
        cls,
        path_or_handle: str | os.PathLike,
        config: AlbertConfig | None = None,
        allow_partial: bool = False,
    ) -> AlbertPretrainer:
        """Returns the model that lies there, heads included (`AlbertEncoder.from_pretrained`)."""
        return pretrained.from_pretrained(cls, path_or_handle, config, allow_partial)

    @property
    def checkpoint_items(self) -> dict[str, Any]:
        """What a checkpoint holds besides the whole model, by Model Garden's names."""
        return dict(
            encoder=self.encoder, masked_lm=self.masked_lm, sentence_order=self.sentence_order
        )

    def predictions(
        self, features: Mapping[str, tf.Tensor], training: bool = False
    ) -> dict[str, tf.Tensor]:
        """Returns `mlm_logits` and `sop_logits` alone, with the numbers of a call at less cost.

        The last block does the work behind its attention only where a prediction looks.
        """
        wanted = features["masked_lm_positions"]  # [B, P]
        chosen = tf.concat([tf.zeros_like(wanted[:, :1]), wanted], axis=1)  # the first is pooled
        outputs = self.encoder(
            _encoder_inputs(features), training=training, output_positions=chosen
        )
        return dict(
            mlm_logits=self.masked_lm.logits(outputs["sequence_output"][:, 1:]),
            sop_logits=self.sentence_order(outputs["pooled_output"]),
        )

    def call(self, features: Mapping[str, tf.Tensor], training: bool = False) -> dict[str, Any]:
        outputs = dict(self.encoder(_encoder_inputs(features), training=training))
        if "masked_lm_positions" in features:
            outputs["mlm_logits"] = self.masked_lm(
                outputs["sequence_output"], features["masked_lm_positions"]
            )
        outputs["sop_logits"] = self.sentence_order(outputs["pooled_output"])
        return outputs

    def get_config(self) -> dict[str, Any]:
        return {"config": self.albert_config.to_dict(), "recompute": self._recompute}


def _encoder_inputs(features: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    known = (*inputs.NAMES, *inputs.ALIASES, *inputs.OPTIONAL_NAMES)
    return {name: features[name] for name in known if name in features}
