"""`AlbertEncoder`: token ids to vectors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras
from official.modeling import tf_utils

from albert_tf import presets
from albert_tf.config import ENCODER_ARGUMENTS, AlbertConfig
from albert_tf.errors import InputError
from albert_tf.modeling import inputs, pretrained
from albert_tf.modeling.embeddings import AlbertEmbeddings, Table
from albert_tf.modeling.layers import (
    Activation,
    build_parts,
    deserialize_activation,
    get_activation,
    serialize_activation,
)
from albert_tf.modeling.padding_removal import AllTokens, ChosenTokens, RealTokens
from albert_tf.modeling.stack import SharedStack

# Arguments that each block takes.
_BLOCK_ARGUMENTS = (
    "hidden_size",
    "num_attention_heads",
    "intermediate_size",
    "activation",
    "dropout_rate",
    "attention_dropout_rate",
    "initializer",
    "norm_first",
)

# Local names of the constructor that are no fixed part of the config.
_NOT_IN_CONFIG = ("self", "__class__", "kwargs", "remove_padding")


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class AlbertEncoder(tf_keras.layers.Layer):
    """ALBERT encoder (Lan et al. 2020) with the arguments of Model Garden's encoders.

    ```python
    encoder = AlbertEncoder(vocab_size=30000)
    outputs = encoder({"input_word_ids": tf.constant([[2, 48, 25, 3]])})
    outputs["pooled_output"]  # [1, 768]
    ```

    Inputs: a dict of `input_word_ids`, `input_mask`, `input_type_ids`, int32 [B, S]; mask and type
    ids may be left out (all ones, all zeros); `input_ids` and `segment_ids` are aliases; the list
    of the three works too. Optional entries: `input_word_embeddings` [B, S, E] in place of ids,
    `position_ids` int32 [B, S] in place of 0, 1, 2, ..., `head_mask` float [N] or one row [N] for
    each block application, which scales the attention of each head.

    Outputs: a dict of `sequence_output` [B, S, H], `pooled_output` [B, H] (tanh of a dense layer on
    the first position), `encoder_outputs`, a list of [B, S, H], one for each block application, and
    `attention_scores`, likewise [B, N, S, S], if asked for. Without `dict_outputs` a list of
    sequence output and pooled output.

    Args:
      vocab_size: rows of the word table.
      embedding_width: E; a projection to `hidden_size` follows where they differ.
      hidden_size: H, a multiple of `num_attention_heads`.
      num_layers: layer applications.
      num_attention_heads: N.
      max_sequence_length: rows of the position table.
      type_vocab_size: rows of the type table; ALBERT has 2 (Model Garden's default is 16).
      intermediate_size: width of the feed-forward part.
      activation: of the feed-forward part, a function or a name; "gelu" is the tanh form, which all
        released models were trained with.
      dropout_rate: after the embedding norm, the attention output and the feed-forward part; 0 as
        in the released v2 models.
      attention_dropout_rate: on attention probabilities.
      initializer: of kernels and tables; truncated normal of 0.02 as in the original.
      dict_outputs: a dict if True, else a list.
      num_hidden_groups: groups with weights of their own.
      inner_group_num: blocks in a group; a layer runs all of them.
      output_range: compute only that many first positions in the last block.
      embedding_layer: a layer to use in place of the word table; it has `embeddings` [V, E].
      norm_first: normalise before attention and feed-forward part instead of after.
      with_dense_inputs: `inputs` also declares `dense_inputs` [B, T, E], `dense_mask`,
        `dense_type_ids` [B, T], vectors that are appended to the embedded words.
      return_attention_scores: whether to give `attention_scores`.
      return_embedding_output: whether to give `embedding_output` [B, S, H], what the first block
        takes.
      recompute: in training, store only the input of each block application and compute the rest
        again, with the same dropout, for the gradient: less memory, about a third more time.
      remove_padding: compute real tokens only (`RealTokens`): the same numbers there, zeros at
        masked positions, at a cost that goes by the tokens of a batch instead of its padded size.
        Forward and gradient; not under XLA or on TPUs, which need static shapes. An attribute of
        the same name can be set later, as it changes no weight, and an argument of a call.

    Raises:
      InputError: a size breaks a rule of `AlbertConfig`, or an input has an unknown name.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_width: int | None = 128,
        hidden_size: int = 768,
        num_layers: int = 12,
        num_attention_heads: int = 12,
        max_sequence_length: int = 512,
        type_vocab_size: int = 2,
        intermediate_size: int = 3072,
        activation: str | Activation = "gelu",
        dropout_rate: float = 0.0,
        attention_dropout_rate: float = 0.0,
        initializer: Any = None,
        dict_outputs: bool = True,
        num_hidden_groups: int = 1,
        inner_group_num: int = 1,
        output_range: int | None = None,
        embedding_layer: tf_keras.layers.Layer | None = None,
        norm_first: bool = False,
        with_dense_inputs: bool = False,
        return_attention_scores: bool = False,
        return_embedding_output: bool = False,
        recompute: bool = False,
        remove_padding: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        given = dict(locals())  # a copy, as debuggers change `locals()` while it is read
        config = {name: value for name, value in given.items() if name not in _NOT_IN_CONFIG}
        config["embedding_width"] = embedding_width = embedding_width or hidden_size
        config["activation"] = activation = deserialize_activation(activation)
        config["initializer"] = initializer = tf_keras.initializers.get(
            tf_keras.initializers.TruncatedNormal(stddev=0.02)
            if initializer is None
            else initializer
        )
        _check_sizes(config)
        self._dict_outputs = dict_outputs
        self._return_attention_scores = return_attention_scores
        self._return_embedding_output = return_embedding_output
        self._output_range, self.remove_padding = output_range, remove_padding
        self._check_scores(remove_padding)

        self.embeddings_layer = _new_embeddings(config)
        self.stack = _new_stack(config)
        self._pooler_layer = tf_keras.layers.Dense(
            hidden_size,
            activation="tanh",
            kernel_initializer=tf_utils.clone_initializer(initializer),
            name="pooler",
        )

        config["activation"] = serialize_activation(activation)
        config["initializer"] = tf_keras.initializers.serialize(initializer)
        self._config = config
        self.inputs = _symbolic_inputs(embedding_width, with_dense_inputs)
        build_parts((self, None))

    @classmethod
    def from_albert_config(cls, config: AlbertConfig, **kwargs: Any) -> AlbertEncoder:
        """Returns a new encoder of the sizes and rates of `config`.

        Args:
          config: the model.
          **kwargs: further arguments of the constructor.
        """
        return cls(
            **{name: getattr(config, field) for name, field in ENCODER_ARGUMENTS.items()},
            initializer=tf_keras.initializers.TruncatedNormal(stddev=config.initializer_range),
            **kwargs,
        )

    @classmethod
    def from_pretrained(
        cls,
        path_or_handle: str | os.PathLike,
        config: AlbertConfig | None = None,
        allow_partial: bool = False,
        **kwargs: Any,
    ) -> AlbertEncoder:
        """Returns the encoder that lies there, in any format of `albert_tf.convert`.

        Args:
          path_or_handle: a folder or checkpoint, or a handle such as hf://owner/name.
          config: for folders without one, in place of the one that lies there.
          allow_partial: whether names may be left over on either side.
          **kwargs: further arguments of the constructor.

        Raises:
          InputError: nothing readable lies there, or it does not fit.
        """
        return pretrained.from_pretrained(
            lambda found: cls.from_albert_config(found, **kwargs),
            path_or_handle,
            config,
            allow_partial,
        )

    @classmethod
    def from_preset(cls, name: str, **kwargs: Any) -> AlbertEncoder:
        """Returns a new encoder, its weights random, of the sizes and rates of a released model.

        Args:
          name: such as "albert_base_v2" (`albert_tf.presets`).
          **kwargs: further arguments of the constructor.

        Raises:
          InputError: there is no such preset; the message lists the closest.
        """
        return cls.from_albert_config(presets.get(name).config, **kwargs)

    def build(self, input_shape: Any) -> None:
        parts = (self.embeddings_layer, self.stack, self._pooler_layer)
        build_parts(*((part, self.hidden_size) for part in parts))
        super().build(input_shape)

    # === Call ===
    def call(
        self,
        inputs_: Any,
        training: bool = False,
        output_range: int | None = None,
        remove_padding: bool | None = None,
        output_positions: tf.Tensor | None = None,
    ) -> Any:
        """Returns the outputs; see the class.

        Args:
          inputs_: the tensors.
          training: whether dropout is on.
          output_range: in place of the constructor's. 1 is enough for `pooled_output`.
          remove_padding: in place of the constructor's.
          output_positions: int32 [B, P], the only positions that `sequence_output` [B, P, H] then
            has, those of real tokens, 0 first. The last block does the rest of its work for them.
        """
        output_range = self._output_range if output_range is None else output_range
        remove_padding = self.remove_padding if remove_padding is None else remove_padding
        self._check_scores(remove_padding)
        features = inputs.standardize(inputs_)
        mask = features["input_mask"]
        if "dense_mask" in features:
            mask = tf.concat([mask, features["dense_mask"]], axis=1)
        tokens = (RealTokens if remove_padding else AllTokens)(mask, self.compute_dtype)
        x = self.embeddings_layer(features, tokens, training=training)  # [T, H]
        last = tokens if output_positions is None else ChosenTokens(tokens, output_positions)
        outputs, scores = self.stack(
            x, tokens, output_range, features.get("head_mask"), last, training=training
        )
        pooled = self._pooler_layer(last.first(outputs[-1], output_range))  # [B, H]
        outputs = [
            *(tokens.restore(rows, None) for rows in outputs[:-1]),
            last.restore(outputs[-1], output_range),
        ]  # each [B, S, H]
        if not self._dict_outputs:
            return [outputs[-1], pooled]
        result = dict(sequence_output=outputs[-1], pooled_output=pooled, encoder_outputs=outputs)
        if self._return_attention_scores:
            result["attention_scores"] = scores
        if self._return_embedding_output:
            result["embedding_output"] = tokens.restore(x, None)
        return result

    def _check_scores(self, remove_padding: bool) -> None:
        if remove_padding and self._return_attention_scores:
            raise InputError(
                "attention_scores are those of all positions. Received "
                "return_attention_scores=True, remove_padding=True. Turn one of them off."
            )

    # === Parts, by Model Garden's names ===
    @property
    def hidden_size(self) -> int:
        """H."""
        return self._pooler_layer.units

    def get_embedding_table(self) -> tf.Variable:
        """Returns the word table, [V, E]."""
        return self.embeddings_layer.word_embeddings.embeddings

    def get_embedding_layer(self) -> Table | tf_keras.layers.Layer:
        """Returns the layer that owns the word table."""
        return self.embeddings_layer.word_embeddings

    @property
    def transformer_layers(self) -> list[tf_keras.layers.Layer]:
        """The block of each application; shared blocks stand in it several times."""
        return self.stack.applications

    @property
    def pooler_layer(self) -> tf_keras.layers.Dense:
        """The dense layer behind `pooled_output`."""
        return self._pooler_layer

    # === Config ===
    def get_config(self) -> dict[str, Any]:
        switches = dict(remove_padding=self.remove_padding)
        return {**super().get_config(), **self._config, **switches}


def _check_sizes(config: Mapping[str, Any]) -> None:
    """Raises the `InputError` of the first rule that an argument of the constructor breaks."""
    activation = config["activation"]
    get_activation(activation)  # its error names the argument
    sizes = {field: config[name] for name, field in ENCODER_ARGUMENTS.items()}
    if not isinstance(activation, str):
        sizes["hidden_act"] = "linear"  # stands in for a function, which has no name there
    AlbertConfig(**sizes)


def _new_embeddings(config: Mapping[str, Any]) -> AlbertEmbeddings:
    return AlbertEmbeddings(
        config["vocab_size"],
        config["embedding_width"],
        config["hidden_size"],
        config["max_sequence_length"],
        config["type_vocab_size"],
        config["dropout_rate"],
        config["initializer"],
        word_embeddings=config["embedding_layer"],
        name="embeddings",
    )


def _new_stack(config: Mapping[str, Any]) -> SharedStack:
    return SharedStack(
        config["num_layers"],
        config["num_hidden_groups"],
        config["inner_group_num"],
        config["recompute"],
        {name: config[name] for name in _BLOCK_ARGUMENTS},
        name="stack",
    )


def _symbolic_inputs(embedding_width: int, with_dense_inputs: bool) -> dict[str, Any]:
    """What Model Garden's models read from `.inputs` to build themselves around an encoder."""
    ids = [*inputs.NAMES, *(inputs.DENSE_NAMES if with_dense_inputs else ())]
    result = {name: tf_keras.Input([None], dtype=tf.int32, name=name) for name in ids}
    if with_dense_inputs:
        result["dense_inputs"] = tf_keras.Input(
            [None, embedding_width], dtype=tf.float32, name="dense_inputs"
        )
    return result
