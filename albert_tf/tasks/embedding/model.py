"""`AlbertEmbedder`: one vector for each text."""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.embedding_settings import EmbeddingSettings
from albert_tf.errors import InputError
from albert_tf.formats.load import load
from albert_tf.formats.source import Source
from albert_tf.modeling.encoder_model import as_config
from albert_tf.modeling.inputs import NAMES, named
from albert_tf.modeling.task_model import TaskModel
from albert_tf.task_types import EMBEDDING, TaskDescription
from albert_tf.tasks import text_windows
from albert_tf.tasks.embedding.head import EmbeddingHead
from albert_tf.tasks.text_windows import FIRST, checked


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class AlbertEmbedder(TaskModel):
    """Pools the vectors of the encoder's last block into one vector for each text.

    ```python
    model = AlbertEmbedder.from_pretrained("albert_base_v2", pooling="mean", normalize=True)
    vectors = model(tokenizer(["a fine film", "a dull one"]))  # [2, 768]
    ```

    Inputs: the encoder's dict. Output: float32 [B, D], where D is the hidden size times the number
    of modes, the units of the last dense layer, or `dimensions`. With `windows`, inputs may also be
    int32 [B, W, S], the windows of each text, whose vectors are pooled before they are normalized;
    a window that a text lacks is padding.

    Args:
      config: the encoder's config.
      pooling: a mode of `embedding_settings.MODES`, or several, whose vectors are joined in that
        order: "mean" of all tokens, special tokens included, which works best without fine-tuning
        (Reimers and Gurevych 2019, section 4); "cls", the vector of the first token; "max";
        "mean_sqrt_len", the sum over the square root of the number of tokens; "weighted_mean",
        where token i counts i times; "last", the vector of the last token; "pooled", the output of
        the pooler.
      normalize: whether to divide each vector by its length, in the end.
      dense: layers after the pooling, each a dict of `units`, `activation` ("tanh" by default, or
        another of `config.ACTIVATIONS`), `use_bias` (true by default) and `normalize_input` (false
        by default), which divides the layer's inputs by their length.
      dimensions: how many numbers of each vector are kept; None for all. Vectors are cut before
        they are normalized (Kusupati et al. 2022).
      windows: how the vectors of the windows of a text are pooled: "mean" or "max"; "first" for a
        model that reads one row of each text.
      dropout_rate: not used: the vectors have no dropout beyond that of the encoder.
      **kwargs: see `TaskModel`.

    Raises:
      InputError: a mode or an activation is unknown, or another value breaks a rule.
    """

    TASKS = (EMBEDDING,)

    def __init__(
        self,
        config: AlbertConfig | Mapping[str, Any],
        pooling: str | Sequence[str] = "mean",
        normalize: bool = False,
        dense: Sequence[Mapping[str, Any]] = (),
        dimensions: int | None = None,
        windows: str = FIRST,
        dropout_rate: float = 0.0,
        **kwargs: Any,
    ) -> None:
        settings = EmbeddingSettings(pooling, normalize, dense, dimensions)
        head = functools.partial(EmbeddingHead, settings, as_config(config), name="head")
        super().__init__(config, lambda _: head(), dropout_rate, **kwargs)
        self.encoder.pooler_layer.trainable = "pooled" in settings.pooling
        self.windows = checked(windows)

    @classmethod
    def from_source(cls, source: Source, allow_partial: bool, **kwargs: Any) -> AlbertEmbedder:
        if source.task is not None and source.task.task == EMBEDDING:
            kwargs = {**_arguments(source.task), **kwargs}
        model = super().from_source(source, allow_partial, **kwargs)
        if source.task is not None:
            model.settings = dict(source.task.settings)
        return model

    @classmethod
    def from_description(
        cls, config: AlbertConfig, description: TaskDescription, **kwargs: Any
    ) -> AlbertEmbedder:
        """Returns a new model with the pooling of the description."""
        return super().from_description(
            config, description, **{**_arguments(description), **kwargs}
        )

    def describe(self) -> TaskDescription:
        """Returns the task with its pooling."""
        return TaskDescription(EMBEDDING, settings={**self._settings(), **self._own()})

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._own()}

    def _own(self) -> dict[str, Any]:
        windows = {} if self.windows == FIRST else {"windows": self.windows}
        return {**self.head.settings.to_dict(), **windows}

    def call(self, features: Any, training: bool = False) -> tf.Tensor:
        return self.head.finish(self.vectors(features, training))

    def vectors(self, features: Any, training: bool = False) -> tf.Tensor:
        """Returns the vectors before they are normalized, float32 [B, D]."""
        features = named(features)
        if not text_windows.are_windows(self.windows, features):
            return self._rows(features, training)
        return text_windows.of_documents(
            self.windows,
            features,
            functools.partial(self._rows, training=training),
            self.head.size,
            self.encoder.remove_padding,
            training,
        )

    def _rows(self, features: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        # Without a mode that reads other tokens, the last block computes only the first one.
        first = set(self.head.modes) <= {"cls", "pooled"}
        outputs = self.encoder(features, training=training, output_range=1 if first else None)
        mask = features.get(NAMES[1])
        if mask is None:
            mask = tf.ones(tf.shape(outputs["sequence_output"])[:2], tf.int32)  # [B, S]
        return self.head(outputs["sequence_output"], outputs["pooled_output"], mask)


def _arguments(description: TaskDescription) -> dict[str, Any]:
    settings = description.settings
    windows = {"windows": settings["windows"]} if "windows" in settings else {}
    return {**EmbeddingSettings.of(settings).to_dict(), **windows}


def as_embedding(
    path_or_source: str | os.PathLike | Source,
    pooling: str | Sequence[str] = "",
    normalize: bool = False,
    dimensions: int | None = None,
    windows: str = "",
) -> Source:
    """Returns a model of any kind as one for embeddings.

    Args:
      path_or_source: anything that `formats.load.load` takes, or its result.
      pooling: see `AlbertEmbedder`, as are the next three; by default, that of an embedding model,
        or else "mean".
      normalize: whether to divide each vector by its length; an embedding model may do so anyway.
      dimensions: how many numbers of each vector to keep; by default, as many as the model.
      windows: "first", "mean" or "max"; by default, as the model.

    Raises:
      InputError: the model cannot be read, or a setting breaks a rule.
    """
    source = load(path_or_source)
    settings = dict(source.task.settings) if source.task else {}
    if source.task is None or source.task.task != EMBEDDING:
        settings = {name: settings[name] for name in ("seq_length",) if name in settings}
    before = EmbeddingSettings.of(settings)
    after = EmbeddingSettings(
        pooling or before.pooling,
        normalize or before.normalize,
        before.dense,
        before.dimensions if dimensions is None else dimensions,
    )
    if before.dense and len(after.pooling) != len(before.pooling):
        raise InputError(
            "The pooling of a model with dense layers must have as many modes as they take. "
            f"Received {','.join(after.pooling)} for a model with {','.join(before.pooling)}. "
            "Leave the pooling out."
        )
    after.size(source.config.hidden_size)
    trained = settings.get("matryoshka")
    if dimensions and isinstance(trained, list) and dimensions not in trained:
        sizes = ", ".join(map(str, trained))
        print(f"note: the model was trained for vectors of {sizes} numbers", file=sys.stderr)
    settings |= after.to_dict()
    if windows:
        settings["windows"] = checked(windows)
    if windows == FIRST:
        settings.pop("doc_stride", None)
    return dataclasses.replace(source, task=TaskDescription(EMBEDDING, settings=settings))
