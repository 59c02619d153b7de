"""`AlbertClassifier`: predicts a class, labels or numbers for a text or a pair of texts."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.modeling.inputs import NAMES, named
from albert_tf.modeling.pooling import mean_of_tokens
from albert_tf.modeling.task_model import DROPOUT, LabelModel
from albert_tf.task_types import TaskDescription
from albert_tf.tasks import text_windows
from albert_tf.tasks.text_windows import FIRST, checked
from albert_tf.tokenization.tokenizer import AlbertTokenizer

POOLED, MEAN = POOLINGS = ("pooled", "mean")
_DEFAULTS = {"windows": FIRST, "pooling": POOLED}

if TYPE_CHECKING:
    from albert_tf.modeling.text_model import TextModel


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class AlbertClassifier(LabelModel):
    """A dense layer on the pooled output (Lan et al. 2020, section 4; run_classifier.py).

    With `pooling="mean"`, the layer reads the mean of the vectors of all tokens instead, as models
    for embeddings do.

    ```python
    model = AlbertClassifier.from_pretrained("albert_base_v2", labels=["bad", "good"])
    logits = model(tokenizer(["a fine film"]))  # [1, 2]
    ```

    Inputs: the encoder's dict; other entries, such as labels, are ignored. The result of
    `with_preprocessing` takes texts instead. Output: logits, float32 [B, C]. In regression, the
    outputs are the numbers themselves. With `windows`, inputs may also be int32 [B, W, S], the
    windows of each document, whose logits are pooled; a window that a document lacks is padding.

    Args:
      config: the encoder's config.
      num_classes: see `LabelModel`, as are the next two.
      labels: the names of the outputs.
      dropout_rate: the rate for the input of the head.
      problem: "classification" (a softmax over all labels), "multi_label" (a sigmoid for each) or
        "regression". By default, a model with one output is for regression.
      windows: how the logits of the windows of a document are pooled: "mean" or "max"; "first" for
        a model that reads one row of each text.
      pooling: "pooled" or "mean"; see above.
      **kwargs: see `TaskModel`.

    Raises:
      InputError: a value is unknown, or the labels and their number disagree.
    """

    TASKS = ("classification", "regression", "multi_label")

    def __init__(
        self,
        config: AlbertConfig | Mapping[str, Any],
        num_classes: int | None = None,
        labels: Sequence[str] | None = None,
        dropout_rate: float = DROPOUT,
        problem: str | None = None,
        windows: str = FIRST,
        pooling: str = POOLED,
        **kwargs: Any,
    ) -> None:
        if pooling not in POOLINGS:
            raise InputError(
                f"The pooling of a classifier must be {' or '.join(POOLINGS)}. Received "
                f"{pooling!r:.80}. {closest(str(pooling)[:80], POOLINGS)}"
            )
        if problem is not None and problem not in self.TASKS:
            raise InputError(
                f"Unknown problem of a classifier. Received {problem!r:.80}. "
                f"{closest(str(problem)[:80], self.TASKS)}"
            )
        super().__init__(config, num_classes, labels, dropout_rate, **kwargs)
        self.problem = problem or TaskDescription.of_classifier(self.labels).task
        self.windows, self.pooling = checked(windows), pooling
        if pooling == MEAN:
            self.encoder.pooler_layer.trainable = False  # Nothing reads it.

    @classmethod
    def from_description(
        cls, config: AlbertConfig, description: TaskDescription, **kwargs: Any
    ) -> AlbertClassifier:
        """Returns a new model with one output for each label, or one output without labels."""
        settings = {n: description.settings.get(n, value) for n, value in _DEFAULTS.items()}
        kwargs = {**settings, **kwargs}
        return super().from_description(config, description, problem=description.task, **kwargs)

    def describe(self) -> TaskDescription:
        """Returns the task of the model; a single number has no name."""
        is_number = self.problem == "regression" and len(self.labels) == 1
        settings = {**self._settings(), "windows": self.windows, "pooling": self.pooling}
        left_out = ["windows", "doc_stride"] if self.windows == FIRST else []
        left_out += ["pooling"] if self.pooling == POOLED else []
        settings = {name: value for name, value in settings.items() if name not in left_out}
        return TaskDescription(self.problem, () if is_number else self.labels, settings)

    def with_preprocessing(self, tokenizer: AlbertTokenizer, seq_length: int = 128) -> TextModel:
        """Returns a Keras model that fits, evaluates and predicts on strings with these weights.

        Args:
          tokenizer: the tokenizer that belongs to the weights.
          seq_length: the maximum sequence length in tokens; longer texts are cut.

        Raises:
          InputError: the tokenizer or the length does not fit the model.
        """
        from albert_tf.modeling.text_model import TextModel  # tf.text is needed for it only.

        if self.windows != FIRST:
            raise InputError(
                "A Keras model of texts reads one row of each text. Received a model that was "
                f"trained with WINDOWS='{self.windows}'. Use albert_tf.Predictor or `albert-tf "
                "export task`, which read all windows."
            )
        return TextModel(self, tokenizer, seq_length)

    def get_config(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in ("problem", *_DEFAULTS)}
        return {**super().get_config(), **values}

    def encode(self, features: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        """Returns the vectors that the head reads, float32 [B, H]; see `TaskModel.encode`."""
        if self.pooling == POOLED:
            return super().encode(features, training)
        vectors = self.encoder(features, training=training)["sequence_output"]  # [B, S, H]
        mask = named(features).get(NAMES[1])
        return mean_of_tokens(tf.cast(vectors, tf.float32), mask)

    def call(self, features: Mapping[str, tf.Tensor], training: bool = False) -> Any:
        features = named(features)
        if not text_windows.are_windows(self.windows, features):
            return self._logits(features, training)
        return text_windows.of_documents(
            self.windows,
            features,
            functools.partial(self._logits, training=training),
            self.head.units,
            self.encoder.remove_padding,
            training,
        )

    def _logits(self, features: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        pooled = self.encode(features, training)  # [B, H]
        return self.head(self.dropout(pooled, training=training))  # [B, C]
