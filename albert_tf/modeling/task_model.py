"""`TaskModel`, the base class of all models with a task head."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import tensorflow as tf
import tf_keras

from albert_tf import task_types
from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats import resize
from albert_tf.formats.load import load
from albert_tf.formats.source import Source
from albert_tf.modeling import pretrained
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.encoder_model import EncoderModel, as_config
from albert_tf.modeling.layers import Dropout, policy_of
from albert_tf.task_types import TaskDescription
from albert_tf.tokenization.tokenizer import AlbertTokenizer

Model = TypeVar("Model", bound="TaskModel")
# The dropout rate before every classifier of the original (run_classifier.py, run_race.py).
DROPOUT = 0.1


class TaskModel(EncoderModel):
    """An encoder, dropout, and `head`, the layer that the task adds.

    Attributes:
      TASKS: the tasks in `task_types` that the class is built for.
      settings: how inputs were made in training (`TaskDescription.settings`), if the model was
        loaded from a run; saved with the model.

    Args:
      config: the encoder's config.
      make_head: takes the encoder and returns the layer to add.
      dropout_rate: the rate for the input of `head`; the encoder's own rates are in `config`.
      recompute: see `AlbertEncoder`.
      **kwargs: `name`, `dtype` and `trainable` of Keras models.
    """

    TASKS: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        config: AlbertConfig | Mapping[str, Any],
        make_head: Callable[[AlbertEncoder], tf_keras.layers.Layer],
        dropout_rate: float = DROPOUT,
        recompute: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, recompute, **kwargs)
        self.dropout_rate = dropout_rate
        self.settings: dict[str, Any] = {}
        self.encoder.pooler_layer.trainable = self._uses_pooler
        with policy_of(self):
            self.dropout = Dropout(dropout_rate)
            self.head = make_head(self.encoder)
        self.build_heads(self.head)

    @classmethod
    def from_pretrained(
        cls: type[Model],
        path_or_handle: str | os.PathLike,
        config: AlbertConfig | None = None,
        allow_partial: bool = False,
        max_position_embeddings: int | None = None,
        positions: str = resize.POSITIONS[0],
        **kwargs: Any,
    ) -> Model:
        """Loads a saved model; adds a new head if only an encoder was saved.

        Args:
          path_or_handle: a folder or checkpoint in any format of `albert_tf.formats`, or a handle.
          config: replaces the saved config; needed for folders without one.
          allow_partial: whether to load weights and model that do not match completely.
          max_position_embeddings: see `pretrained.from_pretrained`.
          positions: see there.
          **kwargs: arguments of the constructor. Pass those that describe the head if only an
            encoder was saved, and omit them if the head was saved too.

        Raises:
          InputError: the source cannot be read, is a model for another task, or does not match.
        """
        source = load(path_or_handle, config)
        source = resize.with_positions(source, max_position_embeddings, positions)
        return cls.from_source(source, allow_partial, **kwargs)

    @classmethod
    def from_source(cls: type[Model], source: Source, allow_partial: bool, **kwargs: Any) -> Model:
        """Does the same as `from_pretrained` for a source that `formats.load` returned."""
        if not allow_partial:
            pretrained.check_stored(source)
        if source.classifier_dropout is not None:
            kwargs.setdefault("dropout_rate", source.classifier_dropout)
        if not cls.has_head(source):
            model = cls(source.config, **kwargs)
            pretrained.assign(model.encoder, source, allow_partial=allow_partial)
            return model
        description: TaskDescription | None = source.task
        if description is None:
            model = cls(source.config, **kwargs)
        else:
            model = cls.from_description(source.config, description, **kwargs)
            model.settings = dict(description.settings)
        pretrained.assign(model, source, allow_partial=allow_partial)
        return model

    @classmethod
    def has_head(cls, source: Source) -> bool:
        """Returns whether the source has a head of this class rather than only an encoder.

        Raises:
          InputError: the source has the head of another task.
        """
        description: TaskDescription | None = source.task
        if description is None or not description.head:
            return False
        if description.task not in cls.TASKS:
            raise InputError(
                f"{cls.__name__} can only load a model for {' or '.join(cls.TASKS)}. Received "
                f"'{source.path}', a model for {description.task}. Use the class for that task, or "
                "load only its encoder with AlbertEncoder.from_pretrained and add a new head."
            )
        return True

    @classmethod
    def from_description(
        cls: type[Model], config: AlbertConfig, description: TaskDescription, **kwargs: Any
    ) -> Model:
        """Returns a new model for a task description.

        A class whose head size depends on the task overrides this.
        """
        return cls(config, **kwargs)

    def describe(self) -> TaskDescription:
        """Returns the task of the model, which `save_pretrained` stores.

        A class whose head depends on labels or settings overrides this.
        """
        return TaskDescription(self.TASKS[0], settings=self._settings())

    def _settings(self) -> dict[str, Any]:
        # Keras wraps the lists of its attributes, and JSON cannot store what it makes of them.
        settings = {n: list(v) if isinstance(v, list) else v for n, v in self.settings.items()}
        return {**settings, "dropout_rate": self.dropout_rate}

    def save_pretrained(
        self, folder: str | os.PathLike, tokenizer: AlbertTokenizer | None = None
    ) -> None:
        """Saves the model in a folder that `from_pretrained`, `Predictor` and every command take.

        Args:
          folder: the folder to create; it must be new or empty.
          tokenizer: the tokenizer of the model, which is saved with it. `Predictor` and exports
            need one.

        Raises:
          InputError: the folder is not empty, or the tokenizer does not fit the model.
        """
        pretrained.save(self, folder, self.albert_config, self.describe(), tokenizer)

    @property
    def _uses_pooler(self) -> bool:
        return all(task_types.get(name).uses_pooler for name in self.TASKS)

    @property
    def checkpoint_items(self) -> dict[str, Any]:
        """The parts that a checkpoint stores in addition to the model, by Model Garden's names."""
        return dict(encoder=self.encoder)

    def encode(self, features: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        """Returns the encoder output that the head reads.

        Args:
          features: the inputs of `AlbertEncoder`; other entries, such as labels, are ignored.
          training: whether to apply dropout.

        Returns:
          The pooled output [B, H], or the sequence output [B, S, H] if the task does not use the
          pooler.
        """
        if not self._uses_pooler:
            return self.encoder(features, training=training)["sequence_output"]
        # Only the first position is read, so the last block computes only that one.
        return self.encoder(features, training=training, output_range=1)["pooled_output"]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dropout_rate": self.dropout_rate}


class LabelModel(TaskModel):
    """A `TaskModel` whose head is one dense layer with one output for each label.

    Args:
      config: the encoder's config.
      num_classes: the number of outputs of the head.
      labels: the names of the outputs; LABEL_0, LABEL_1, ... by default, as in transformers.
      dropout_rate: the rate for the input of the head.
    """

    HEAD: ClassVar[str] = "classifier"

    def __init__(
        self,
        config: AlbertConfig | Mapping[str, Any],
        num_classes: int | None = None,
        labels: Sequence[str] | None = None,
        dropout_rate: float = DROPOUT,
        **kwargs: Any,
    ) -> None:
        if num_classes is None and not labels:
            raise InputError(
                f"A new {type(self).__name__} needs the number or the names of its outputs. "
                "Received num_classes=None and no labels. Pass one of them."
            )
        count = num_classes or len(labels)
        names = tuple(labels or (f"LABEL_{index}" for index in range(count)))
        if len(names) != count:
            raise InputError(
                "There must be one label for each class. Received "
                f"num_classes={num_classes} and labels={list(names)}. Pass only one of them, or "
                "make them agree."
            )
        super().__init__(config, dense(count, config, self.HEAD), dropout_rate, **kwargs)
        self.labels = names

    @classmethod
    def from_description(
        cls: type[Model], config: AlbertConfig, description: TaskDescription, **kwargs: Any
    ) -> Model:
        """Returns a new model with one output for each label, or one output without labels."""
        count = len(description.labels) or 1
        return cls(config, count, description.labels or None, **kwargs)

    def describe(self) -> TaskDescription:
        """Returns the task of the model with its labels."""
        return TaskDescription(self.TASKS[0], self.labels, self._settings())

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "labels": list(self.labels)}


def dense(
    units: int, config: AlbertConfig | Mapping[str, Any], name: str
) -> Callable[[AlbertEncoder], tf_keras.layers.Dense]:
    """Returns a function that makes a dense head, in float32 so that losses are exact."""
    initializer = tf_keras.initializers.TruncatedNormal(stddev=as_config(config).initializer_range)
    return lambda _: tf_keras.layers.Dense(
        units, kernel_initializer=initializer, dtype=tf.float32, name=name
    )
