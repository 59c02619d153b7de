"""Model Garden's encoder with our weights."""

from __future__ import annotations

import tensorflow as tf
import tf_keras
from official.nlp.modeling.networks import AlbertEncoder as ModelGardenEncoder

from albert_tf import AlbertConfig, AlbertEncoder


def encoder(ours: AlbertEncoder, config: AlbertConfig) -> tf_keras.Model:
    """Returns Model Garden's encoder of the same sizes and weights, dropout 0."""
    theirs = ModelGardenEncoder(
        vocab_size=config.vocab_size,
        embedding_width=config.embedding_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        max_sequence_length=config.max_position_embeddings,
        type_vocab_size=config.type_vocab_size,
        intermediate_size=config.intermediate_size,
        dropout_rate=0.0,
        attention_dropout_rate=0.0,
        dict_outputs=True,
    )
    for source, target in zip(_in_order(ours.variables), _in_order(theirs.variables)):
        target.assign(tf.reshape(source, target.shape))
    return theirs


def _in_order(variables: list[tf.Variable]) -> list[tf.Variable]:
    """Sorts variables by what they are, whatever either side calls them."""
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
