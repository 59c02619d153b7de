"""`ServedClassifier`: predicts a class, labels or numbers for a text or a pair of texts."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from albert_tf.serving import signatures
from albert_tf.serving.served_task import AnswerFile, Arrays, ServedTask, Tensors, Texts, Trained
from albert_tf.serving.signatures import SAMPLES, SECOND_SAMPLES, TEXTS, Spec, padded
from albert_tf.tasks.classification import glue, problems
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.text_windows import FIRST, TextWindowSettings, pool
from albert_tf.tokenization.tokenizer import AlbertTokenizer

_PAIRS = {"text": TEXTS, "text_b": TEXTS}
_CLASSES = {
    "label": Spec(tf.string, ("B",)),
    "label_index": Spec(tf.int32, ("B",)),
    "probabilities": Spec(tf.float32, ("B", "C")),
    "logits": Spec(tf.float32, ("B", "C")),
}
_LABEL_SETS = {
    "labels": Spec(tf.string, ("B", "C")),
    "probabilities": Spec(tf.float32, ("B", "C")),
    "lengths": Spec(tf.int32, ("B",)),
}
_LAYERS = {"layers": Spec(tf.int32, ("B",))}
_LOGITS = {"logits": tf.TensorSpec([None, None], tf.float32)}
_OUTPUTS = {
    "classification": _CLASSES,
    "regression": {"value": Spec(tf.float32, ("B",))},
    "multi_regression": {"values": Spec(tf.float32, ("B", "C"))},
    "multi_label": _LABEL_SETS,
}


class ServedClassifier(ServedTask):
    """Returns a class, labels or numbers, as the model's problem is.

    A class comes with the probabilities of all classes. Labels are those whose probability exceeds
    the threshold, in the order of the model, and "" after the last. If the model pools windows, all
    of a text are computed; a row of `tokens` is one window. If the model has a head for each layer,
    texts leave early, and `layers` is the number of layers used.

    Args:
      model: the model with its weights.
      tokenizer: the tokenizer of the model.
      seq_length: the maximum sequence length.
      pairs: whether the model reads two texts.
      threshold: the probability above which one of several labels is returned, or one by label.
      doc_stride: see `TextWindowSettings`.
      exit_threshold: see `AlbertClassifier.early`; None for all layers, and no output `layers`.
    """

    SIGNATURES = {
        f"{prefix}{kind}": signatures.of_task(texts, outputs)
        for kind, outputs in _OUTPUTS.items()
        for prefix, texts in (("", {"text": TEXTS}), ("pair_", _PAIRS))
    }
    OPTIONS = ("pairs", "exit_threshold")

    def __init__(
        self,
        model: AlbertClassifier,
        tokenizer: AlbertTokenizer,
        seq_length: int,
        pairs: bool = False,
        threshold: Any = problems.THRESHOLD,
        doc_stride: int | None = None,
        exit_threshold: float | None = None,
    ) -> None:
        self._limit = problems.LabelSets(model.labels, threshold=threshold).limit
        self._stride = TextWindowSettings(model.windows, seq_length, doc_stride).stride
        several = model.problem == "regression" and len(model.labels) > 1
        self._problem = "multi_regression" if several else model.problem
        kind = f"pair_{self._problem}" if pairs else self._problem
        super().__init__(kind, model, tokenizer, seq_length)
        if self._problem == "multi_label":
            self.facts["threshold"] = threshold
        if model.windows != FIRST:
            self.facts |= {"windows": model.windows, "doc_stride": self._stride}
        self._exit_threshold = exit_threshold
        if exit_threshold is not None:
            self.facts["exit_threshold"] = exit_threshold
            self.table = {
                name: signature._replace(outputs={**signature.outputs, **_LAYERS})
                for name, signature in self.table.items()
            }

    @classmethod
    def config_of(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the columns of a text pair if the option `pairs` is set, and the threshold."""
        columns = {"glue": "", "second_text": "text_b"} if options.get("pairs") else {}
        return columns | {n: value for n, value in options.items() if n == "exit_threshold"}

    @classmethod
    def from_predictor(cls, predictor: Trained) -> ServedClassifier:
        """Returns the served classifier, for pairs if the task's config has two text columns."""
        config = predictor.task.task_config
        pairs = (
            len(glue.layout(config.glue).texts) == 2 if config.glue else bool(config.second_text)
        )
        task, length = predictor.task, predictor.seq_length
        threshold = getattr(task.problem, "threshold", problems.THRESHOLD)
        early = task.exit_threshold if predictor.model.early_exit else None
        stride = config.doc_stride
        return cls(predictor.model, task.tokenizer, length, pairs, threshold, stride, early)

    def whole(self) -> ServedClassifier:
        """Returns the task without early exit."""
        if self._exit_threshold is None:
            return self
        task = copy.copy(self)
        task._exit_threshold, task.table = None, self.SIGNATURES[self.kind]
        task.facts = {n: value for n, value in self.facts.items() if n != "exit_threshold"}
        return task

    def expected(self, answer: AnswerFile, config: Any) -> tuple[Arrays, Arrays]:
        """Returns texts or pairs of texts, and the expected labels or numbers."""
        names = tuple(self.table["serving_default"].inputs)
        columns = (SAMPLES, SECOND_SAMPLES)[: len(names)]
        answers = answer(".txt", "".join("\t".join(row) + "\n" for row in zip(*columns)))
        return dict(zip(names, map(np.array, columns))), self.arrays(answers)

    def arrays(self, answers: Sequence[Mapping[str, Any]]) -> Arrays:
        """Returns the entries of the answers; labels fill rows as long as the list of all."""
        arrays = super().arrays(answers)
        if self._problem == "multi_label":
            rows, count = [list(answer["labels"]) for answer in answers], len(self.model.labels)
            lengths = np.array([len(row) for row in rows], np.int32)
            rows = [row + [""] * (count - len(row)) for row in rows]
            arrays |= {"labels": padded(rows, _LABEL_SETS["labels"]), "lengths": lengths}
        return arrays

    def answer_texts(self, texts: Texts) -> Tensors:
        """Returns the answers to texts; those of several windows have pooled logits."""
        segments = [self.tokenize(text) for text in texts.values()]
        if self.model.windows == FIRST:
            return self.answer_segments(segments)
        early = self._exit_threshold is not None
        specs = {**_LOGITS, **({"layers": _LAYERS["layers"].tensor_spec} if early else {})}
        answers, text = self.answer_windows(segments, self._stride, specs)
        count = tf.cast(segments[0].nrows(), tf.int32)
        if early:
            pooled = self.model.pooled(answers, text, count)
            return {**self._answers(pooled["logits"]), "layers": pooled["layers"]}
        return self._answers(pool(self.model.windows, answers["logits"], text, count))

    def answer_ids(self, ids: tf.Tensor, mask: tf.Tensor, types: tf.Tensor) -> Tensors:
        features = self.features(ids, mask, types)
        if self._exit_threshold is None:
            return self._answers(self.model(features))
        outputs = self.model.early(features, self._exit_threshold)
        return {**self._answers(outputs["logits"]), "layers": outputs["layers"]}

    def _answers(self, logits: tf.Tensor) -> Tensors:
        """Returns the answers for logits, [B, C], and the logits."""
        if self._problem == "regression":
            return {"value": logits[:, 0], "logits": logits}
        if self._problem == "multi_regression":
            return {"values": logits, "logits": logits}
        if self._problem == "multi_label":
            return {**self._label_sets(tf.sigmoid(logits)), "logits": logits}
        best = tf.argmax(logits, axis=-1, output_type=tf.int32)  # [B]
        return {
            "label": tf.gather(tf.constant(self.model.labels), best),
            "label_index": best,
            "probabilities": tf.nn.softmax(logits),
            "logits": logits,
        }

    def _label_sets(self, shares: tf.Tensor) -> Tensors:
        chosen = tf.cast(shares > tf.constant(self._limit, tf.float32), tf.int32)  # [B, C]
        order = tf.argsort(chosen, axis=-1, direction="DESCENDING", stable=True)  # [B, C]
        names = tf.gather(tf.constant(self.model.labels), order)  # [B, C]
        lengths = tf.reduce_sum(chosen, axis=-1)  # [B]
        is_label = tf.range(len(self.model.labels)) < lengths[:, tf.newaxis]  # [B, C]
        return {
            "labels": tf.where(is_label, names, ""),
            "probabilities": shares,
            "lengths": lengths,
        }
