"""`ServedEmbedding`: one vector for each text."""

from __future__ import annotations

import tensorflow as tf

from albert_tf.serving import signatures
from albert_tf.serving.served_task import ServedTask, Tensors
from albert_tf.serving.signatures import TEXTS, Spec


class ServedEmbedding(ServedTask):
    """Serves an `AlbertEmbedder`, whose vectors have D numbers."""

    SIGNATURES = {
        "embedding": signatures.of_task(
            {"text": TEXTS}, {"embedding": Spec(tf.float32, ("B", "D"))}
        )
    }

    def answer_ids(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        return {"embedding": self.model(self.features(ids, mask, types))}
