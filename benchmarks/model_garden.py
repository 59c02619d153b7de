"""Model Garden's encoder with our weights."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf
import tf_keras

from albert_tf import AlbertConfig, AlbertEncoder
from albert_tf.formats.model_garden import their_encoder


def encoder(ours: AlbertEncoder, config: AlbertConfig) -> tf_keras.Model:
    """Returns Model Garden's encoder with the same sizes and weights and dropout 0."""
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    theirs = their_encoder(dataclasses.replace(config, **no_dropout))
    for source, target in zip(_in_order(ours.variables), _in_order(theirs.variables)):
        target.assign(tf.reshape(source, target.shape))
    return theirs


def _in_order(variables: list[tf.Variable]) -> list[tf.Variable]:
    """Sorts variables by their role, independently of the names in either package."""
    parts = (
        *("word_embeddings", "position_embedding", "type_embeddings", "embeddings/layer_norm"),
        *("projection", "query", "key", "value", "attention_output", "attention/output"),
        *("attention_layer_norm", "intermediate", "output_layer_norm", "pooler", "output"),
    )
    aliases = {"attention/output": "attention_output"}

    def key(variable: tf.Variable) -> tuple[int, str]:
        name = variable.name
        part = next(p for p in parts if p in name)
        return parts.index(aliases.get(part, part)), name.split("/")[-1]

    return sorted(variables, key=key)


def encoder_config(config: AlbertConfig, **changes: Any) -> Any:
    """Returns the encoder config for Model Garden's tasks, with the same sizes."""
    from official.nlp.configs import encoders

    albert = encoders.AlbertEncoderConfig(
        vocab_size=config.vocab_size,
        embedding_width=config.embedding_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        intermediate_size=config.intermediate_size,
        max_position_embeddings=config.max_position_embeddings,
        **changes,
    )
    return encoders.EncoderConfig(type="albert", albert=albert)
