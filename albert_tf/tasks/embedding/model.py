"""`AlbertEmbedder`: one vector for each text."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.formats.load import load
from albert_tf.formats.source import Source
from albert_tf.modeling.inputs import NAMES, named
from albert_tf.modeling.task_model import TaskModel
from albert_tf.task_types import EMBEDDING, TaskDescription

# In the order in which sentence-transformers joins the vectors of several modes; "pooled" is ours.
MODES = ("cls", "max", "mean", "mean_sqrt_len", "weighted_mean", "last", "pooled")
_LOW = -1e9  # Below every value of a token, as in sentence-transformers.


def modes_of(pooling: str | Sequence[str]) -> tuple[str, ...]:
    """Returns the modes of a pooling, a list or names separated by commas, in the order of `MODES`.

    Raises:
      InputError: there is none, or one is unknown.
    """
    names = pooling.split(",") if isinstance(pooling, str) else pooling
    if not isinstance(names, (list, tuple)):
        raise InputError(
            f"A pooling must be the name of a mode, or a list of names. Received {names!r:.80}. "
            f"Choose of {', '.join(MODES)}."
        )
    names = [str(name).strip() for name in names]
    for name in names:
        if name not in MODES:
            raise InputError(f"Unknown pooling. Received {name!r:.80}. {closest(str(name), MODES)}")
    if not names:
        raise InputError(f"A pooling needs a mode. Received no mode. Choose of {', '.join(MODES)}.")
    return tuple(mode for mode in MODES if mode in names)


class Pooling(tf_keras.layers.Layer):
    """Makes one vector of those of all tokens.

    Inputs: the vectors of the last block, [B, S, H] or, for the modes that read only the first
    token, [B, 1, H]; the pooled output [B, H]; and the mask [B, S]. Output: float32 [B, D], where D
    is H times the number of modes.

    Args:
      modes: the result of `modes_of`.
      normalize: whether to divide each vector by its length.
    """

    def __init__(self, modes: Sequence[str], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.modes, self.normalize = tuple(modes), normalize

    def build(self, shape: Any) -> None:
        self.built = True

    def call(self, vectors: tf.Tensor, pooled: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        vectors, pooled = tf.cast(vectors, tf.float32), tf.cast(pooled, tf.float32)
        weights = tf.cast(mask, tf.float32)[:, :, tf.newaxis]  # [B, S, 1]
        # In an empty row, all positions count; a row of a text has special tokens.
        parts = [self._part(mode, vectors, pooled, weights) for mode in self.modes]
        result = tf.concat(parts, axis=-1)  # [B, D]
        return tf.math.l2_normalize(result, axis=-1, epsilon=1e-24) if self.normalize else result

    def _part(
        self, mode: str, vectors: tf.Tensor, pooled: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        if mode == "pooled":
            return pooled
        if mode == "cls":
            return vectors[:, 0]
        if mode == "max":
            return tf.reduce_max(tf.where(weights > 0, vectors, _LOW), axis=1)
        if mode == "weighted_mean":  # Later tokens count more, as in SGPT (Muennighoff 2022).
            positions = tf.range(1, tf.shape(weights)[1] + 1)
            weights *= tf.cast(positions, tf.float32)[:, tf.newaxis]
        if mode == "last":
            count = tf.reduce_sum(tf.cast(weights[:, :, 0] > 0, tf.int32), axis=1)
            return tf.gather(vectors, tf.maximum(count - 1, 0), batch_dims=1)
        total, count = tf.reduce_sum(vectors * weights, 1), tf.reduce_sum(weights, 1)
        count = tf.maximum(count, 1.0)
        return total / (tf.sqrt(count) if mode == "mean_sqrt_len" else count)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "modes": self.modes, "normalize": self.normalize}


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class AlbertEmbedder(TaskModel):
    """Pools the vectors of the encoder's last block into one vector for each text.

    ```python
    model = AlbertEmbedder.from_pretrained("albert_base_v2", pooling="mean", normalize=True)
    vectors = model(tokenizer(["a fine film", "a dull one"]))  # [2, 768]
    ```

    Inputs: the encoder's dict. Output: float32 [B, D], where D is the hidden size times the number
    of modes.

    Args:
      config: the encoder's config.
      pooling: a mode of `MODES`, or several, whose vectors are joined in that order: "mean" of all
        tokens, special tokens included, which works best without fine-tuning (Reimers and Gurevych
        2019, section 4); "cls", the vector of the first token; "max"; "mean_sqrt_len", the sum over
        the square root of the number of tokens; "weighted_mean", where token i counts i times;
        "last", the vector of the last token; "pooled", the output of the pooler.
      normalize: whether to divide each vector by its length.
      dropout_rate: not used: the vectors have no dropout beyond that of the encoder.
      **kwargs: see `TaskModel`.

    Raises:
      InputError: a mode is unknown.
    """

    TASKS = (EMBEDDING,)

    def __init__(
        self,
        config: AlbertConfig | Mapping[str, Any],
        pooling: str | Sequence[str] = "mean",
        normalize: bool = False,
        dropout_rate: float = 0.0,
        **kwargs: Any,
    ) -> None:
        modes = modes_of(pooling)
        super().__init__(
            config, lambda _: Pooling(modes, normalize, name="pooling"), dropout_rate, **kwargs
        )
        self.encoder.pooler_layer.trainable = "pooled" in modes

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
        pooling = {"pooling": list(self.head.modes), "normalize": self.head.normalize}
        return TaskDescription(EMBEDDING, settings={**self._settings(), **pooling})

    def get_config(self) -> dict[str, Any]:
        pooling = {"pooling": list(self.head.modes), "normalize": self.head.normalize}
        return {**super().get_config(), **pooling}

    def call(self, features: Any, training: bool = False) -> tf.Tensor:
        # Without a mode that reads other tokens, the last block computes only the first one.
        first = set(self.head.modes) <= {"cls", "pooled"}
        outputs = self.encoder(features, training=training, output_range=1 if first else None)
        features = named(features)
        mask = features.get(NAMES[1])
        if mask is None:
            mask = tf.ones(tf.shape(outputs["sequence_output"])[:2], tf.int32)  # [B, S]
        return self.head(outputs["sequence_output"], outputs["pooled_output"], mask)


def _arguments(description: TaskDescription) -> dict[str, Any]:
    names = ("pooling", "normalize")
    return {n: description.settings[n] for n in names if n in description.settings}


def as_embedding(
    path_or_source: str | os.PathLike | Source,
    pooling: str | Sequence[str] = "",
    normalize: bool = False,
) -> Source:
    """Returns a model of any kind as one for embeddings.

    Args:
      path_or_source: anything that `formats.load.load` takes, or its result.
      pooling: see `AlbertEmbedder`; by default, that of an embedding model, or else "mean".
      normalize: whether to divide each vector by its length; an embedding model may do so anyway.

    Raises:
      InputError: the model cannot be read, or a mode is unknown.
    """
    source = load(path_or_source)
    settings = dict(source.task.settings) if source.task else {}
    if source.task is None or source.task.task != EMBEDDING:
        settings = {name: settings[name] for name in ("seq_length",) if name in settings}
    modes = modes_of(pooling or settings.get("pooling", "mean"))
    normalize = normalize or settings.get("normalize", False)
    settings |= {"pooling": list(modes), "normalize": normalize}
    return dataclasses.replace(source, task=TaskDescription(EMBEDDING, settings=settings))
