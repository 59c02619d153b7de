"""What a LiteRT model is made from: an encoder or a classifier as a function of ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from albert_tf.config import AlbertConfig
from albert_tf.formats import source
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.serving.signatures import TEXT_ENCODER
from albert_tf.tasks.classification.model import AlbertClassifier

Call = Callable[..., dict[str, tf.Tensor]]


class Source(NamedTuple):
    """What is exported.

    Attributes:
      model: the Keras model, whose variables are frozen into the file.
      call: takes ids, mask and types, int32 [1, S] each, and gives outputs by name.
      config: of the encoder.
      labels: names of a classifier's outputs.
    """

    model: Any
    call: Call
    config: AlbertConfig
    labels: tuple[str, ...]


def of_model(loaded: source.Source) -> Source:
    """Returns the classifier of a model where it has one, else its encoder."""
    task = loaded.task.task if loaded.task else None
    if task not in ("classification", "regression"):
        return of_encoder(AlbertEncoder.from_pretrained(loaded.path), loaded.config)
    model = AlbertClassifier.from_source(loaded, allow_partial=False)

    def call(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = model(dict(zip(TEXT_ENCODER, inputs)))
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

    return Source(model, call, loaded.config, loaded.task.labels)


def of_encoder(encoder: AlbertEncoder, config: AlbertConfig) -> Source:
    """Returns an encoder that is in memory."""

    def encode(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = encoder(list(inputs))
        return {name: outputs[name] for name in ("pooled_output", "sequence_output")}

    return Source(encoder, encode, config, ())
