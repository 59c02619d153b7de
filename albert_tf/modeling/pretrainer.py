"""`AlbertPretrainer`: the encoder with the two pretraining heads."""

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
from albert_tf.tokenization.tokenizer import AlbertTokenizer


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class AlbertPretrainer(tf_keras.Model):
    """An encoder with a masked language model head and a sentence-order head.

    Inputs: the encoder's dict and `masked_lm_positions` int32 [B, P]. Other entries, such as the
    labels of the batch, are ignored. Outputs: the encoder's dict with `sop_logits` float32 [B, 2]
    and, if positions are given, `mlm_logits` float32 [B, P, V].

    Args:
      config: the config of the model. As in the original, the heads use its activation and its
        initializer range.
      recompute: see `AlbertEncoder`.
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
        """Loads a model with its heads; for the arguments see `AlbertEncoder.from_pretrained`."""
        return pretrained.from_pretrained(cls, path_or_handle, config, allow_partial)

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
        outputs = self.encoder(
            _encoder_inputs(features), training=training, output_positions=positions
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
