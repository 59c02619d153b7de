"""`TextClassifier`: a class or a number for a text or a pair of texts."""

from __future__ import annotations

import tensorflow as tf

from albert_tf.serving.served_task import Tensors, TextTask
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tokenization.tokenizer import AlbertTokenizer


class TextClassifier(TextTask):
    """A class with the probabilities of all, or a number where the model is a regressor.

    Args:
      model: with the weights.
      tokenizer: of the model.
      seq_length: the longest row.
      regression: whether the model gives a number.
      pairs: whether it reads two texts.
    """

    def __init__(
        self,
        model: AlbertClassifier,
        tokenizer: AlbertTokenizer,
        seq_length: int,
        regression: bool = False,
        pairs: bool = False,
    ) -> None:
        self._regression = regression
        kind = "regression" if regression else "classification"
        super().__init__(f"pair_{kind}" if pairs else kind, model, tokenizer, seq_length)

    def _answer(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        logits = self._model(self.features(ids, mask, types))  # [B, C]
        if self._regression:
            return {"value": logits[:, 0]}
        best = tf.argmax(logits, axis=-1, output_type=tf.int32)  # [B]
        return {
            "label": tf.gather(tf.constant(self._model.labels), best),
            "label_index": best,
            "probabilities": tf.nn.softmax(logits),
            "logits": logits,
        }
