"""`AlbertClassifier`: predicts a class, labels or numbers for a text or a pair of texts."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.modeling.early_exit import ExitHeads, run
from albert_tf.modeling.inputs import NAMES, named
from albert_tf.modeling.layers import build_parts
from albert_tf.modeling.padding_removal import TokenRows
from albert_tf.modeling.pooling import mean_of_tokens
from albert_tf.modeling.task_model import DROPOUT, LabelModel
from albert_tf.task_types import TaskDescription
from albert_tf.tasks import text_windows
from albert_tf.tasks.classification.exits import AFTER, checked_mode, confidence
from albert_tf.tasks.text_windows import FIRST, checked
from albert_tf.tokenization.tokenizer import AlbertTokenizer

POOLED, MEAN = POOLINGS = ("pooled", "mean")
_DEFAULTS = {"windows": FIRST, "pooling": POOLED, "early_exit": ""}

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
      early_exit: how the heads of the layers before the last are trained, for `early`: "joint" or
        "after"; "" for a model without them. See docs/early_exit.md.
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
        early_exit: str = "",
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
        self.early_exit = checked_mode(early_exit, self.problem, self.albert_config)
        if early_exit:
            layers = self.albert_config.num_hidden_layers
            deviation = self.albert_config.initializer_range
            initializer = tf_keras.initializers.TruncatedNormal(stddev=deviation)
            self.head.exits = ExitHeads(layers, self.head.units, initializer, name="exits")
            with tf.name_scope(self.head.name):
                build_parts((self.head.exits, self.albert_config.hidden_size))

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
        settings = {**self._settings(), **{name: getattr(self, name) for name in _DEFAULTS}}
        left_out = ["windows", "doc_stride"] if self.windows == FIRST else []
        left_out += ["pooling"] if self.pooling == POOLED else []
        left_out += [] if self.early_exit else ["early_exit", "exit_threshold"]
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

    # === Early exit ===
    def early(self, features: Mapping[str, tf.Tensor], threshold: float) -> dict[str, tf.Tensor]:
        """Returns answers of the first layer that is sure of them, in inference.

        A layer is sure of a row if its `exits.confidence` exceeds the threshold, and the row then
        leaves the batch. Each window of a document leaves alone.

        Args:
          features: the inputs; padding is left out in any case.
          threshold: from 0, with which all rows leave after the first layer, to 1, with which all
            use all layers.

        Returns:
          `logits`, float32 [B, C], and `layers`, int32 [B], how many layers were used, by the
          window that used most.
        """
        features = named(features)

        def of_rows(rows: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            is_sure = lambda logits: confidence(self.problem, logits) > threshold  # noqa: E731
            last_range = 1 if self.pooling == POOLED else None
            return run(self.encoder, rows, self._exit, is_sure, self.head.units, last_range)

        if not text_windows.are_windows(self.windows, features):
            return of_rows(features)
        outputs = {
            "logits": tf.TensorSpec([None, self.head.units], tf.float32),
            "layers": tf.TensorSpec([None], tf.int32),
        }
        rows = text_windows.WindowRows(features, remove_padding=True)
        results = rows.computed(of_rows, outputs)
        return self.pooled(results, rows.document, rows.count)

    def pooled(
        self, results: Mapping[str, tf.Tensor], document: tf.Tensor, count: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Returns the outputs of `early` for documents from those for their windows."""
        layers = tf.math.unsorted_segment_max(results["layers"], document, count)
        return {
            "logits": text_windows.pool(self.windows, results["logits"], document, count),
            "layers": tf.maximum(layers, 0),  # A document without windows uses none.
        }

    def _exit(self, x: tf.Tensor, rows: TokenRows, layer: tf.Tensor | int) -> tf.Tensor:
        """Returns the logits of a layer, [b, C], from its rows [T, H]; see `early_exit.Head`."""
        is_last = isinstance(layer, int)
        if self.pooling == MEAN:
            vectors = rows.means(tf.cast(x, tf.float32))  # [b, H]
        else:
            vectors = self.encoder.pooler_layer(x if is_last else rows.starts(x))
        return self.head(vectors) if is_last else self.head.exits(vectors, layer)

    def layer_logits(self, features: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns the logits of all layers, of which `early` returns one for each row.

        Args:
          features: the inputs.
          training: whether to apply dropout, and to pool the windows of documents.

        Returns:
          Float32 [B, L, C], or [B, W, L, C] of windows that are not pooled. A window that a
          document lacks has zeros.
        """
        features = named(features)
        shape = [self.albert_config.num_hidden_layers, self.head.units]
        compute = functools.partial(self._layer_logits, training=training)
        if not text_windows.are_windows(self.windows, features):
            return tf.reshape(compute(features), [-1, *shape])
        width, removes = shape[0] * shape[1], self.encoder.remove_padding
        if training:
            arguments = (self.windows, features, compute, width, removes, True)
            return tf.reshape(text_windows.of_documents(*arguments), [-1, *shape])
        rows = text_windows.WindowRows(features, removes)
        outputs = {"results": tf.TensorSpec([None, width], tf.float32)}
        results = rows.computed(lambda some: {"results": compute(some)}, outputs)["results"]
        apart = rows.apart(results)  # [B, W, L*C]
        return tf.reshape(apart, tf.concat([tf.shape(apart)[:2], shape], 0))

    def _layer_logits(self, features: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        """Returns the logits of all layers for rows, [R, L*C]."""
        limit = 1 if self.pooling == POOLED else None
        outputs = self.encoder(features, training=training, output_range=limit)
        inner = self.albert_config.inner_group_num
        mask = features.get(NAMES[1])
        logits = []
        for layer, x in enumerate(outputs["encoder_outputs"][inner - 1 :: inner]):
            is_last = layer + 1 == self.albert_config.num_hidden_layers
            if self.pooling == MEAN:
                vectors = mean_of_tokens(tf.cast(x, tf.float32), mask)  # [R, H]
            else:
                vectors = self.encoder.pooler_layer(x[:, 0])  # [R, H]
            if self.early_exit == AFTER:  # The encoder and its own head stay as they are.
                vectors = tf.stop_gradient(vectors)
            vectors = self.dropout(vectors, training=training)
            logits.append(self.head(vectors) if is_last else self.head.exits(vectors, layer))
        if self.early_exit == AFTER:
            logits[-1] = tf.stop_gradient(logits[-1])
        return tf.concat(logits, axis=-1)

    def _logits(self, features: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        pooled = self.encode(features, training)  # [B, H]
        return self.head(self.dropout(pooled, training=training))  # [B, C]
