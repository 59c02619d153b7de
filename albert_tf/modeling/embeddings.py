"""Factorised embeddings (Lan et al. 2020, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras
from official.modeling import tf_utils

from albert_tf.errors import InputError
from albert_tf.modeling.inputs import checked
from albert_tf.modeling.layers import Dropout, LayerNorm, build_parts, function_of
from albert_tf.modeling.padding_removal import TokenLayout


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class Table(tf_keras.layers.Layer):
    """An embedding table.

    Input: int32 [...]. Output: [..., width] in the compute dtype. With `one_hot`, the lookup is a
    matrix product with one-hot rows, whose gradient is dense; use it for tables with few rows only.
    An index outside the table is an error (see `inputs.checked`).
    """

    def __init__(
        self,
        rows: int,
        width: int,
        what: str,
        initializer: Any,
        one_hot: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rows, self.width = rows, width
        self._what, self._one_hot = what, one_hot
        self._initializer = tf_keras.initializers.get(initializer)

    def build(self, input_shape: Any) -> None:
        self.embeddings = self.add_weight(
            "embeddings", [self.rows, self.width], initializer=self._initializer
        )
        super().build(input_shape)

    def grow(self, rows: int) -> None:
        """Appends new rows, so that the table has `rows`."""
        old, self.rows = self.embeddings, rows
        self._initializer = tf_utils.clone_initializer(self._initializer)
        self.build(None)
        self.embeddings[: old.shape[0]].assign(old)

    def call(self, ids: tf.Tensor) -> tf.Tensor:
        ids = checked(
            ids,
            tf.reduce_all((ids >= 0) & (ids < self.rows)),
            f"{self._what} must lie in [0, {self.rows}). Check that ids and model use the same "
            "vocabulary. Received smallest and largest:",
            tf.reduce_min(ids),
            tf.reduce_max(ids),
        )
        table = tf.cast(self.embeddings, self.compute_dtype)
        if self._one_hot:
            flat = tf.one_hot(tf.reshape(ids, [-1]), self.rows, dtype=table.dtype)  # [B*S, rows]
            return tf.reshape(flat @ table, tf.concat([tf.shape(ids), [self.width]], 0))
        return tf.gather(table, ids)

    def get_config(self) -> dict[str, Any]:
        initializer = tf_keras.initializers.serialize(self._initializer)
        arguments = dict(rows=self.rows, width=self.width, what=self._what, one_hot=self._one_hot)
        return {**super().get_config(), **arguments, "initializer": initializer}


class AlbertEmbeddings(tf_keras.layers.Layer):
    """The sum of word, position and type embeddings, normalised and projected to the hidden size.

    Inputs: the dict returned by `inputs.standardize` and the layout of the tokens to compute.
    Output: rows [T, H] in the compute dtype.
    The projection exists only if `embedding_width` differs from `hidden_size`, as in the original
    (modeling.py:embedding_lookup_factorized, embedding_postprocessor, transformer_model).

    Raises:
      InputError: the sequence is longer than the position table. If its length is known only when
        the graph runs, the error is the one that `inputs.checked` describes.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_width: int,
        hidden_size: int,
        max_sequence_length: int,
        type_vocab_size: int,
        dropout_rate: float,
        initializer: Any,
        word_embeddings: tf_keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.width = embedding_width

        def table(rows: int, what: str, name: str, one_hot: bool = False) -> Table:
            clone = tf_utils.clone_initializer(initializer)
            return Table(rows, embedding_width, what, clone, one_hot=one_hot, name=name)

        # === Layers ===
        self.word_embeddings = word_embeddings or table(
            vocab_size, "input_word_ids", "word_embeddings"
        )
        self.position_embeddings = table(max_sequence_length, "Positions", "position_embeddings")
        # With a one-hot lookup the gradient is dense, so gradient clipping sees its true norm.
        self.type_embeddings = table(
            type_vocab_size, "input_type_ids", "type_embeddings", one_hot=True
        )
        self.norm = LayerNorm("layer_norm")
        self.dropout = Dropout(dropout_rate)
        self.projection = None
        if embedding_width != hidden_size:
            self.projection = tf_keras.layers.Dense(
                hidden_size,
                kernel_initializer=tf_utils.clone_initializer(initializer),
                name="projection",
            )

    def build(self, input_shape: Any) -> None:
        parts = (
            self.word_embeddings,
            self.position_embeddings,
            self.type_embeddings,
            self.norm,
            self.projection,
        )
        build_parts(*((part, self.width) for part in parts))
        super().build(input_shape)

    def call(
        self, inputs: Mapping[str, tf.Tensor], layout: TokenLayout, training: bool = False
    ) -> tf.Tensor:
        words = inputs.get("input_word_embeddings")
        if words is None:
            words = self.word_embeddings(inputs["input_word_ids"])  # [B, S, E]
        elif words.shape[-1] not in (None, self.width):
            raise InputError(
                f"inputs_embeds must have the width of the word table, {self.width}. Received "
                f"shape {words.shape}. Pass rows of encoder.get_embedding_table()."
            )
        types = inputs["input_type_ids"]
        if "dense_inputs" in inputs:
            words = tf.concat([words, tf.cast(inputs["dense_inputs"], words.dtype)], axis=1)
            types = tf.concat([types, tf.cast(inputs["dense_type_ids"], types.dtype)], axis=1)
        ids = inputs.get("position_ids")
        positions = self._first_positions(words) if ids is None else self.position_embeddings(ids)
        x = tf.cast(words, self.compute_dtype) + positions
        x += self.type_embeddings(types)  # [B, S, E]
        x = layout.pack(tf.reshape(x, [-1, self.width]))  # [T, E]
        x = self.dropout(tf.cast(self.norm(x), self.compute_dtype), training=training)
        return x if self.projection is None else function_of(self.projection)(x)  # [T, H]

    def _first_positions(self, words: tf.Tensor) -> tf.Tensor:
        longest, length = self.position_embeddings.rows, tf.shape(words)[1]
        rule = (
            f"A sequence must not be longer than the position table, which has {longest} rows. "
            "Truncate it or use a model with a larger max_sequence_length. Received length"
        )
        if words.shape[1] is not None and words.shape[1] > longest:
            raise InputError(f"{rule} {words.shape[1]}.")
        length = checked(length, length <= longest, rule, length)
        return tf.cast(self.position_embeddings.embeddings, self.compute_dtype)[:length]  # [S, E]
