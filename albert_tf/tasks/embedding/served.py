"""`ServedEmbedding`: one vector for each text."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from albert_tf.errors import InputError, closest
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.serving import signatures
from albert_tf.serving.served_task import AnswerFile, Arrays, ServedTask, Tensors
from albert_tf.serving.signatures import TEXT_ENCODER, TEXTS, Spec
from albert_tf.tokenization.tokenizer import AlbertTokenizer

POOLINGS = ("mean", "pooled", "cls")


class ServedEmbedding(ServedTask):
    """Pools the vectors of the encoder's last block into one vector for each text.

    Args:
      encoder: the encoder with its weights.
      tokenizer: the tokenizer of the encoder.
      seq_length: the maximum sequence length.
      pooling: "mean", the mean over real tokens, including special tokens, which works best without
        fine-tuning (Reimers and Gurevych 2019, section 4); "pooled", the output of the pooler; or
        "cls", the vector that the pooler reads.

    Raises:
      InputError: `pooling` is unknown.
    """

    SIGNATURES = {
        "embedding": signatures.of_task(
            {"text": TEXTS}, {"embedding": Spec(tf.float32, ("B", "H"))}
        )
    }

    def __init__(
        self,
        encoder: AlbertEncoder,
        tokenizer: AlbertTokenizer,
        seq_length: int,
        pooling: str = "mean",
    ) -> None:
        if pooling not in POOLINGS:
            raise InputError(f"Unknown pooling. Received {pooling!r}. {closest(pooling, POOLINGS)}")
        self._pooling, self._tokenizer = pooling, tokenizer
        super().__init__("embedding", encoder, tokenizer, seq_length)

    def expected(self, answer: AnswerFile | None, config: Any) -> tuple[Arrays, Arrays]:
        """Returns texts and their vectors, which NumPy computes from the encoder's outputs."""
        texts = list(signatures.SAMPLES)
        packed = self._tokenizer(texts, max_length=self.seq_length, padding="longest")
        outputs = self.model({name: tf.constant(packed[name]) for name in TEXT_ENCODER[:3]})
        vectors, mask = (
            outputs["sequence_output"].numpy(),
            packed["input_mask"],
        )  # [B, S, H], [B, S]
        weights = mask[:, :, np.newaxis] / mask.sum(1)[:, np.newaxis, np.newaxis]
        pooled = {
            "pooled": outputs["pooled_output"].numpy(),
            "cls": vectors[:, 0],
            "mean": (vectors * weights).sum(1).astype(np.float32),
        }
        return {"text": np.array(texts)}, {"embedding": pooled[self._pooling]}

    def answer_ids(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        # Without the mean, only the first position of the last block is read.
        output_range = None if self._pooling == "mean" else 1
        outputs = self.model(self.features(ids, mask, types), output_range=output_range)
        if self._pooling == "pooled":
            return {"embedding": outputs["pooled_output"]}
        vectors = outputs["sequence_output"]  # [B, S or 1, H]
        if self._pooling == "cls":
            return {"embedding": vectors[:, 0]}
        weights = tf.cast(mask, vectors.dtype)[:, :, tf.newaxis]  # [B, S, 1]
        count = tf.maximum(tf.reduce_sum(weights, axis=1), 1.0)  # [B, 1]
        return {"embedding": tf.reduce_sum(vectors * weights, axis=1) / count}
