"""`ServedClassifier`: predicts a class or a number for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from albert_tf.serving import signatures
from albert_tf.serving.sample_texts import SECOND_TEXTS
from albert_tf.serving.sample_texts import TEXTS as FIRST_TEXTS
from albert_tf.serving.served_task import AnswerFile, Arrays, ServedTask, Tensors, Trained
from albert_tf.serving.signatures import TEXTS, Spec
from albert_tf.tasks.classification import glue
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tokenization.tokenizer import AlbertTokenizer

_PAIRS = {"text": TEXTS, "text_b": TEXTS}
_CLASSES = {
    "label": Spec(tf.string, ("B",)),
    "label_index": Spec(tf.int32, ("B",)),
    "probabilities": Spec(tf.float32, ("B", "C")),
    "logits": Spec(tf.float32, ("B", "C")),
}
_NUMBERS = {"value": Spec(tf.float32, ("B",))}


class ServedClassifier(ServedTask):
    """Returns a class and the probabilities of all classes, or a number if it is a regressor.

    Args:
      model: the model with its weights.
      tokenizer: the tokenizer of the model.
      seq_length: the maximum sequence length.
      regression: whether the model is a regressor.
      pairs: whether the model reads two texts.
    """

    SIGNATURES = {
        "classification": signatures.of_task({"text": TEXTS}, _CLASSES),
        "pair_classification": signatures.of_task(_PAIRS, _CLASSES),
        "regression": signatures.of_task({"text": TEXTS}, _NUMBERS),
        "pair_regression": signatures.of_task(_PAIRS, _NUMBERS),
    }
    OPTIONS = ("pairs",)

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

    @classmethod
    def config_of(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the columns of a text pair if the option `pairs` is set."""
        return {"glue": "", "second_text": "text_b"} if options.get("pairs") else {}

    @classmethod
    def from_predictor(cls, predictor: Trained) -> ServedClassifier:
        """Returns the served classifier, for pairs if the task's config has two text columns."""
        config = predictor.task.task_config
        pairs = (
            len(glue.layout(config.glue).texts) == 2 if config.glue else bool(config.second_text)
        )
        regression = predictor.task.describe().task == "regression"
        tokenizer, length = predictor.task.tokenizer, predictor.seq_length
        return cls(predictor.model, tokenizer, length, regression, pairs)

    def expected(self, answer: AnswerFile, config: Any) -> tuple[Arrays, Arrays]:
        """Returns texts or pairs of texts, and the expected labels or numbers."""
        names = tuple(self.table["serving_default"].inputs)
        columns = (FIRST_TEXTS, SECOND_TEXTS)[: len(names)]
        answers = answer(".txt", "".join("\t".join(row) + "\n" for row in zip(*columns)))
        return dict(zip(names, map(np.array, columns))), self.arrays(answers)

    def answer_ids(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        logits = self.model(self.features(ids, mask, types))  # [B, C]
        if self._regression:
            return {"value": logits[:, 0]}
        best = tf.argmax(logits, axis=-1, output_type=tf.int32)  # [B]
        return {
            "label": tf.gather(tf.constant(self.model.labels), best),
            "label_index": best,
            "probabilities": tf.nn.softmax(logits),
            "logits": logits,
        }
