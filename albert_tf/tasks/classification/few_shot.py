"""`FewShotTask`: a classifier from a few labelled texts of each class, as SetFit trains it.

The encoder learns from pairs of texts, whose vectors should point in the same direction if their
labels are equal, and a logistic regression on the vectors becomes the head (Tunstall et al. 2022,
"Efficient Few-Shot Learning Without Prompts"). The result is a classifier like any other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import tensorflow as tf
import tf_keras
from official.core import task_factory

from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.modeling.inputs import joined, named
from albert_tf.tasks import batching
from albert_tf.tasks.base import Tensors
from albert_tf.tasks.classification.config import ClassificationConfig, may_have_several
from albert_tf.tasks.classification.data import LabelledText
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tasks.encoded_examples import EncodedExamples
from albert_tf.tasks.fine_tuning import FineTuningTask
from albert_tf.tasks.fine_tuning_config import FineTuningDataConfig
from albert_tf.tasks.text_windows import FIRST

_ROWS = 64  # The number of texts whose vectors are computed together to fit the head.


@dataclasses.dataclass
class FewShotConfig(ClassificationConfig):
    """The config of `FewShotTask`.

    Attributes:
      per_class: the number of training texts of each label to choose at random, by the seed of the
        run; 0 for all.
      pairs: the number of pairs with the same label, and of pairs with different labels, that are
        made of each text; 20 as in SetFit.
    """

    per_class: int = 0
    pairs: int = 20


@task_factory.register_task_cls(FewShotConfig)
class FewShotTask(ClassificationTask):
    """Trains the pooled vectors on pairs of texts, and fits the head to them.

    The loss of a pair is the squared difference of the cosine of its pooled vectors and 1 for the
    same label, 0 for different ones. After each train loop, scikit-learn fits a logistic regression
    to the pooled vectors of the training texts, without dropout; its coefficients are the head.
    Starting from a model for embeddings, pooled vectors are the means of tokens (`pooling`).
    """

    @classmethod
    def config_class(cls) -> type[FewShotConfig]:
        """Returns `FewShotConfig`."""
        return FewShotConfig

    def check(self) -> None:
        """Reads and checks all inputs; see `FineTuningTask.check`."""
        config = self.task_config
        for name, least in (("per_class", 0), ("pairs", 1)):
            value = getattr(config, name)
            if type(value) is not int or value < least or (name == "per_class" and value == 1):
                rule = "0 or at least 2 texts" if name == "per_class" else "at least 1 pair"
                raise InputError(f"{name.upper()} must be {rule}. Received {value!r:.80}.")
        if config.windows != FIRST:
            raise InputError(
                "Few-shot training reads one row of each text. Received WINDOWS="
                f"{config.windows!r:.80}. Leave it out, or use finetune_table."
            )
        for name in ("class_weights", "label_smoothing", "early_exit"):
            if getattr(config, name):
                raise InputError(
                    "Few-shot training learns from pairs, and has no loss of classes. Received "
                    f"{name.upper()}={getattr(config, name)!r:.80}. Leave it out, or use "
                    "finetune_table."
                )
        if config.distillation.teacher:
            raise InputError(
                "Few-shot training learns from pairs, and has no logits to compare. Received "
                f"TEACHER={config.distillation.teacher!r:.80}. Leave it out, or use finetune_table."
            )
        if may_have_several(config) or config.problem == "regression":
            self._refuse("several labels or numbers of a text")
        super().check()

    def _refuse(self, received: str) -> NoReturn:
        raise InputError(
            f"Few-shot training needs texts with one class each. Received {received}. Use "
            "finetune_table."
        )

    # === Data ===
    def encode(
        self,
        rows: Sequence[LabelledText],
        params: FineTuningDataConfig,
        labelled: bool,
        report: RowReport,
    ) -> EncodedExamples:
        """Returns pairs of texts to train on, and otherwise texts."""
        if not (labelled and params.is_training and rows):
            return super().encode(rows, params, labelled, report)
        if self.describe().task != "classification":
            self._refuse("numbers as labels")
        rng = np.random.default_rng(params.seed)
        rows = self._chosen(rows, rng)
        self._texts = texts = super().encode(rows, params, labelled, report)
        pairs, same = paired(texts.labels["label"], self.task_config.pairs, rng)
        order = pairs.ravel()
        ids = [texts.ids.values[slice(*texts.ids.splits[i : i + 2])] for i in range(len(texts))]
        return EncodedExamples(
            [ids[i] for i in order],
            texts.second_starts[order],
            {"same": same.astype(np.float32)},
            choices=2,
            report=report,
        )

    _texts: EncodedExamples

    def _chosen(
        self, rows: Sequence[LabelledText], rng: np.random.Generator
    ) -> Sequence[LabelledText]:
        """Returns at most `per_class` rows of each label, in the order of the files."""
        wanted, most = self.problem.targets(rows), self.task_config.per_class
        kept = []
        for label, name in enumerate(self.problem.labels):
            places = np.flatnonzero(wanted == label)
            if len(places) < 2:
                raise InputError(
                    "Few-shot training needs at least 2 texts of each label, to make pairs of "
                    f"them. Received {len(places)} of {name!r:.80}. Add texts, or leave the label "
                    "out with SKIP_LABELS."
                )
            kept.append(rng.permutation(places)[: most or None])
        return [rows[i] for i in np.sort(np.concatenate(kept))]

    # === Training ===
    def forward(self, model: AlbertClassifier, features: Tensors) -> tf.Tensor:
        """Returns the pooled vectors of both texts of each pair, float32 [B, 2, H]."""
        return _vectors(model, features, training=True)

    def inference_step(self, inputs: Tensors, model: AlbertClassifier) -> tf.Tensor:
        """Returns the same as `forward` for pairs, without dropout, and otherwise logits."""
        if len(inputs["input_word_ids"].shape) == 3:
            return _vectors(model, inputs, training=False)
        return super().inference_step(inputs, model)

    def losses(self, labels: Tensors, outputs: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each pair in training, and of each text in evaluation."""
        if "same" not in labels:
            return super().losses(labels, outputs)
        vectors = tf.math.l2_normalize(outputs, axis=-1)  # [B, 2, H]
        cosine = tf.reduce_sum(vectors[:, 0] * vectors[:, 1], axis=-1)  # [B]
        return tf.square(cosine - labels["same"])

    def build_metrics(self, training: bool = True) -> list[tf_keras.metrics.Metric]:
        """Returns the metrics of the step; pairs have no accuracy."""
        return FineTuningTask.build_metrics(self, training)

    def after_loop(self, model: AlbertClassifier) -> None:
        """Fits the head to the vectors of the training texts."""
        self.examples(self.task_config.train_data)  # Read already, except in tests.
        texts = self._texts
        vectors = []
        for rows in batching.evaluation_batches(texts.lengths, _ROWS):
            batch = texts.batch(rows)
            labels = batch.pop("label")
            pooled = model.encode({n: tf.constant(x) for n, x in batch.items()}, training=False)
            vectors += zip(rows, labels, pooled.numpy().astype(np.float32))
        vectors.sort(key=lambda entry: entry[0])
        _, labels, vectors = map(np.stack, zip(*vectors))
        model.head.set_weights(logistic_head(vectors, labels))


def _vectors(model: AlbertClassifier, features: Tensors, training: bool) -> tf.Tensor:
    features = named(features)
    pooled = model.encode({**features, **joined(features)}, training)  # [2*B, H]
    return tf.reshape(tf.cast(pooled, tf.float32), [-1, 2, pooled.shape[-1]])


def paired(
    labels: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Returns random pairs of different texts.

    Args:
      labels: the class of each text, int [N]; there are at least two texts of each.
      count: the number of pairs with the same label that are made of each text, and of those with
        different labels, if there are any.
      rng: the generator.

    Returns:
      The indices of both texts of each pair, int64 [P, 2], and whether their labels are equal, bool
      [P].
    """
    pairs = []
    for i, label in enumerate(labels):
        same = np.flatnonzero(labels == label)
        for others in (same[same != i], np.flatnonzero(labels != label)):
            if len(others):
                chosen = rng.permutation(others)[np.arange(count) % len(others)]
                pairs.append(np.stack([np.full(count, i), chosen], axis=1))
    pairs = np.concatenate(pairs)
    return pairs, labels[pairs[:, 0]] == labels[pairs[:, 1]]


def logistic_head(vectors: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the kernel, float32 [H, C], and bias, [C], of a logistic regression.

    Args:
      vectors: float32 [N, H].
      labels: int [N], each of 0 to C - 1 at least once.
    """
    from sklearn.linear_model import LogisticRegression  # It takes seconds to import.

    # Its penalty depends on the scale, so it reads vectors of about the length 1.
    scale = np.linalg.norm(vectors, axis=1).mean()
    fitted = LogisticRegression(max_iter=1000).fit(vectors / scale, labels)
    kernel, bias = fitted.coef_.T / scale, fitted.intercept_
    if kernel.shape[1] == 1:  # Of two classes, it has the logit of the second.
        kernel, bias = np.concatenate([-kernel, kernel], 1) / 2, np.array([-bias[0], bias[0]]) / 2
    return kernel.astype(np.float32), bias.astype(np.float32)
