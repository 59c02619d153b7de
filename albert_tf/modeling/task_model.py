"""`TaskModel`: what all models with a head for a task share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import tensorflow as tf
import tf_keras

from albert_tf import task_types
from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats.load import load
from albert_tf.formats.source import Source
from albert_tf.modeling import inputs, pretrained
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.layers import Dropout, build_parts
from albert_tf.task_types import TaskDescription

Model = TypeVar("Model", bound="TaskModel")
# The original's rate in front of every classifier (run_classifier.py, run_race.py).
DROPOUT = 0.1


class TaskModel(tf_keras.Model):
    """An encoder, dropout, and `head`, the layer that a task adds.

    Attributes:
      TASKS: names of `task_types` that the class is built for.
      INPUT_AXES: of the token ids: batch and sequence; choices between them where there are any.

    Args:
      config: of the encoder.
      make_head: gives the added layer for the encoder.
      dropout_rate: on what `head` takes; the encoder's own rates stand in `config`.
      recompute: see `AlbertEncoder`.
    """

    TASKS: ClassVar[tuple[str, ...]] = ()
    INPUT_AXES: ClassVar[tuple[str, ...]] = ("B", "S")

    def __init__(
        self,
        config: AlbertConfig | Mapping[str, Any],
        make_head: Callable[[AlbertEncoder], tf_keras.layers.Layer],
        dropout_rate: float = DROPOUT,
        recompute: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.albert_config = as_config(config)
        self.dropout_rate = dropout_rate
        self.encoder = AlbertEncoder.from_albert_config(
            self.albert_config, recompute=recompute, name="encoder"
        )
        self.encoder.pooler_layer.trainable = self._uses_pooler
        self.dropout = Dropout(dropout_rate)
        self.head = make_head(self.encoder)
        build_parts((self.head, self.albert_config.hidden_size))

    @classmethod
    def from_pretrained(
        cls: type[Model],
        path_or_handle: str | os.PathLike,
        config: AlbertConfig | None = None,
        allow_partial: bool = False,
        **kwargs: Any,
    ) -> Model:
        """Returns the model that lies there, or a new head on the encoder that lies there.

        Args:
          path_or_handle: a folder or checkpoint of any format of `albert_tf.convert`, or a handle.
          config: in place of the one that lies there; for folders without one.
          allow_partial: whether names may be left over on either side.
          **kwargs: arguments of the constructor; those that describe the head must be given where
            only an encoder lies there, and must not where the head lies there too.

        Raises:
          InputError: nothing readable lies there, it is of another task, or it does not fit.
        """
        source = load(path_or_handle, config)
        return cls.from_source(source, allow_partial, **kwargs)

    @classmethod
    def from_source(cls: type[Model], source: Source, allow_partial: bool, **kwargs: Any) -> Model:
        """`from_pretrained` of what `convert.load` returned."""
        if source.classifier_dropout is not None:
            kwargs.setdefault("dropout_rate", source.classifier_dropout)
        found: TaskDescription | None = source.task
        if not cls.has_head(source):
            model = cls(source.config, **kwargs)
            pretrained.assign(model.encoder, source, allow_partial=allow_partial)
            return model
        if found is None:
            model = cls(source.config, **kwargs)
        else:
            model = cls.from_description(source.config, found, **kwargs)
        pretrained.assign(model, source, allow_partial=allow_partial)
        return model

    @classmethod
    def has_head(cls, source: Source) -> bool:
        """Whether `convert.load` found a head of this class, and not an encoder alone.

        Raises:
          InputError: it found the head of another task.
        """
        found: TaskDescription | None = source.task
        if found is None or not found.type.head:
            return False
        if found.task not in cls.TASKS:
            raise InputError(
                f"{cls.__name__} must be read from a model for {' or '.join(cls.TASKS)}. Received "
                f"'{source.path}', a model for {found.task}. Use the class of that task, or start "
                "a new head from its encoder: AlbertEncoder.from_pretrained reads it."
            )
        return True

    @classmethod
    def from_description(
        cls: type[Model], config: AlbertConfig, description: TaskDescription, **kwargs: Any
    ) -> Model:
        """Returns a new model for a described task; a class whose head has a size overrides it."""
        return cls(config, **kwargs)

    @property
    def _uses_pooler(self) -> bool:
        return all(task_types.get(name).uses_pooler for name in self.TASKS)

    @property
    def checkpoint_items(self) -> dict[str, Any]:
        """What a checkpoint holds besides the whole model, by Model Garden's names."""
        return dict(encoder=self.encoder)

    def encode(self, features: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        """Returns the encoder's output that the head reads; labels and the like are left alone.

        Args:
          features: at least `input_word_ids` int32 [B, S].
          training: whether dropout is on.

        Returns:
          The pooled output [B, H]; of a task without the pooler, the sequence output [B, S, H].
        """
        known = (*inputs.NAMES, *inputs.ALIASES, *inputs.OPTIONAL_NAMES)
        features = {name: features[name] for name in known if name in features}
        if not self._uses_pooler:
            return self.encoder(features, training=training)["sequence_output"]
        # The last block need not compute what nobody reads.
        return self.encoder(features, training=training, output_range=1)["pooled_output"]

    def get_config(self) -> dict[str, Any]:
        return {"config": self.albert_config.to_dict(), "dropout_rate": self.dropout_rate}


class LabelModel(TaskModel):
    """A `TaskModel` whose head is one dense layer with an output for each label.

    Args:
      config: of the encoder.
      num_classes: outputs of the head.
      labels: their names; LABEL_0, LABEL_1, ... by default, as in transformers.
      dropout_rate: in front of the head.
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
                f"A new {type(self).__name__} must know its outputs. Received neither num_classes "
                "nor labels. Pass one of them."
            )
        count = num_classes or len(labels)
        names = tuple(labels or (f"LABEL_{index}" for index in range(count)))
        if len(names) != count:
            raise InputError(
                f"There must be a label for each class. Received num_classes={num_classes} and "
                f"labels={list(names)}."
            )
        super().__init__(config, dense(count, config, self.HEAD), dropout_rate, **kwargs)
        self.labels = names

    @classmethod
    def from_description(
        cls: type[Model], config: AlbertConfig, description: TaskDescription, **kwargs: Any
    ) -> Model:
        """Returns a new model with an output for each label; one for a task without labels."""
        count = len(description.labels) or 1
        return cls(config, count, description.labels or None, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "labels": list(self.labels)}


def as_config(config: AlbertConfig | Mapping[str, Any]) -> AlbertConfig:
    """Returns the config itself, or the one that a dict of its keys gives."""
    return config if isinstance(config, AlbertConfig) else AlbertConfig.from_dict(config)


def dense(
    units: int, config: AlbertConfig | Mapping[str, Any], name: str
) -> Callable[[AlbertEncoder], tf_keras.layers.Dense]:
    """Returns what makes a head of one dense layer; float32, as losses should be exact."""
    initializer = tf_keras.initializers.TruncatedNormal(stddev=as_config(config).initializer_range)
    return lambda _: tf_keras.layers.Dense(
        units, kernel_initializer=initializer, dtype=tf.float32, name=name
    )
