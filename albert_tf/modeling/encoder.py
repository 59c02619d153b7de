"""`AlbertEncoder`: the Transformer encoder that turns token ids into vectors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras
from official.modeling import tf_utils

from albert_tf import presets
from albert_tf.config import ENCODER_ARGUMENTS, LAYER_NORM_EPSILON, AlbertConfig
from albert_tf.errors import InputError
from albert_tf.modeling import arguments, observation, pretrained
from albert_tf.modeling.embeddings import AlbertEmbeddings, Table
from albert_tf.modeling.inputs import DENSE_NAMES, NAMES, mask_of, standardize
from albert_tf.modeling.layers import (
    Activation,
    build_parts,
    deserialize_activation,
    norms,
    policy_of,
    serialize_activation,
)
from albert_tf.modeling.padding_removal import PaddedLayout, SelectedPositions, UnpaddedLayout
from albert_tf.modeling.resizable import Resizable
from albert_tf.modeling.stack import SharedStack
from albert_tf.tokenization.tokenizer import AlbertTokenizer

# Arguments passed on to each block.
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

# Local names in the constructor that `get_config` does not take from there.
_NOT_IN_CONFIG = ("self", "__class__", "kwargs", "remove_padding", "layer_norm_epsilon")


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class AlbertEncoder(Resizable, tf_keras.layers.Layer):
    """The ALBERT encoder (Lan et al. 2020), with the arguments of Model Garden's encoders.

    ```python
    encoder = AlbertEncoder(vocab_size=30000)
    outputs = encoder({"input_word_ids": tf.constant([[2, 48, 25, 3]])})
    outputs["pooled_output"]  # [1, 768]
    ```

    Inputs: a dict with `input_word_ids`, `input_mask` and `input_type_ids`, int32 [B, S], or a list
    of the three. The mask defaults to all ones and the type ids to all zeros. Aliases: `input_ids`
    and `token_ids`; `attention_mask` and `padding_mask`; `token_type_ids` and `segment_ids`.
    Optional entries: `inputs_embeds` or `input_word_embeddings` [B, S, E], rows of the word table
    in place of ids; `position_ids` int32 [B, S] in place of 0, 1, 2, ...; and `head_mask`, float
    [N] or one row [N] for each block application, which scales the attention probabilities of each
    head. Other entries, such as the labels of a batch, are ignored.

    Outputs: a dict with `sequence_output` [B, S, H], `pooled_output` [B, H] (a dense layer with
    tanh on the first position), `encoder_outputs`, a list of [B, S, H], one for each block
    application, and on request `attention_scores`, a list of [B, N, S, S], again one for each
    block application. With `dict_outputs=False`, a list of sequence output, pooled output and, on
    request, attention scores.

    Arguments of Model Garden's BertEncoder are accepted under their names there: `inner_dim`,
    `inner_activation`, `output_dropout`, `attention_dropout`, `return_word_embeddings`.

    Args:
      vocab_size: number of rows in the word embedding table.
      embedding_width: E. If it differs from `hidden_size`, a projection follows.
      hidden_size: H, a multiple of `num_attention_heads`.
      num_layers: number of layers.
      num_attention_heads: N.
      max_sequence_length: number of rows in the position embedding table.
      type_vocab_size: number of rows in the type embedding table. ALBERT has 2; Model Garden's
        default is 16.
      intermediate_size: width of the feed-forward network.
      activation: activation of the feed-forward network, a function or a name. "gelu" is the tanh
        approximation, with which all released models were trained.
      dropout_rate: dropout after the embedding norm, the attention output and the feed-forward
        network. The default is 0, as in the released v2 models.
      attention_dropout_rate: dropout on the attention probabilities.
      initializer: initializer of kernels and embedding tables. The default is a truncated normal
        with standard deviation 0.02, as in the original.
      dict_outputs: whether to return a dict; otherwise a list.
      num_hidden_groups: number of groups of layers. Layers of a group share their weights.
      inner_group_num: number of blocks in a group. Each layer runs all of them.
      output_range: if set, the last block computes only this many positions from the start.
      embedding_layer: a layer to use as the word table. It must have `embeddings` [V, E].
      norm_first: whether to normalise before attention and feed-forward network instead of after.
      with_dense_inputs: whether `inputs` also declares `dense_inputs` [B, T, E], `dense_mask` and
        `dense_type_ids` [B, T]. These vectors are appended to the word embeddings.
      return_attention_scores: whether to return `attention_scores`.
      return_embedding_output: whether to return `embedding_output` [B, S, H], the input of the
        first block, also as `word_embeddings`, its name in Model Garden.
      recompute: whether training stores only the input of each block application and recomputes
        the rest, with the same dropout masks, for the gradient. Saves memory and takes about a
        third more time.
      remove_padding: whether to compute real tokens only (`UnpaddedLayout`). Their outputs are the
        same, those at masked positions are zeros, and the cost depends on the number of tokens
        instead of the padded size. Works for the forward pass and for gradients, but not under XLA
        or on TPUs, which need static shapes. As no weight depends on it, it can be changed later
        by setting the attribute of the same name, or for one call by an argument.
      layer_norm_epsilon: epsilon of all layer norms.
      **kwargs: `name`, `dtype` and `trainable` of Keras layers. Under any dtype policy, layer norms
        and the softmax are computed in float32.

    Raises:
      InputError: a size breaks a rule of `AlbertConfig`, an argument is unknown or given under two
        names, or the inputs have no ids.
    """

    @arguments.with_aliases
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
        layer_norm_epsilon: float = LAYER_NORM_EPSILON,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        given = dict(locals())  # a copy, as debuggers may change `locals()` during iteration
        config = {name: value for name, value in given.items() if name not in _NOT_IN_CONFIG}
        config["embedding_width"] = embedding_width = embedding_width or hidden_size
        config["activation"] = activation = deserialize_activation(activation)
        config["initializer"] = initializer = tf_keras.initializers.get(
            tf_keras.initializers.TruncatedNormal(stddev=0.02)
            if initializer is None
            else initializer
        )
        config["embedding_layer"] = _restored(embedding_layer)
        arguments.check(config)
        self._dict_outputs = dict_outputs
        self._return_attention_scores = return_attention_scores
        self._return_embedding_output = return_embedding_output
        self._output_range, self.remove_padding = output_range, remove_padding
        self._shares_embeddings = config["embedding_layer"] is not None
        self._check_scores(remove_padding)

        with policy_of(self):
            self.embeddings_layer = _new_embeddings(config)
            self.stack = _new_stack(config)
            self._pooler_layer = tf_keras.layers.Dense(
                hidden_size,
                activation="tanh",
                kernel_initializer=tf_utils.clone_initializer(initializer),
                name="pooler",
            )
        for norm in norms(self):
            norm.epsilon = layer_norm_epsilon

        config.pop("embedding_layer")  # `get_config` takes it from the layer.
        config["activation"] = serialize_activation(activation)
        config["initializer"] = tf_keras.initializers.serialize(initializer)
        self._config = config
        self.inputs = _symbolic_inputs(embedding_width, with_dense_inputs)
        build_parts((self, None))

    @classmethod
    def from_albert_config(cls, config: AlbertConfig, **kwargs: Any) -> AlbertEncoder:
        """Returns a new encoder with the sizes and rates of `config`.

        Args:
          config: the config of the model.
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
        """Loads an encoder from any format of `albert_tf.formats`.

        Args:
          path_or_handle: a folder or checkpoint, a handle such as hf://owner/name, or the name of
            a released model.
          config: the model config. Needed if the source has none; overrides the one it has.
          allow_partial: whether to accept unused weights and variables that are not initialised.
          **kwargs: further arguments of the constructor, and of `pretrained.from_pretrained`.

        Raises:
          InputError: the source cannot be read, or its weights do not match the model.
        """
        build = cls.from_albert_config
        return pretrained.from_pretrained(build, path_or_handle, config, allow_partial, **kwargs)

    @classmethod
    def from_preset(cls, name: str, load_weights: bool = True, **kwargs: Any) -> AlbertEncoder:
        """Returns a released model, as KerasHub's method of this name does.

        Args:
          name: name of a preset, such as "albert_base_v2" (see `albert_tf.presets`).
          load_weights: whether to load the released weights; otherwise they are random.
          **kwargs: further arguments of the constructor.

        Raises:
          InputError: there is no such preset, or its weights cannot be downloaded.
        """
        config = presets.get(name).config
        load = cls.from_pretrained if load_weights else cls.from_albert_config
        return load(name if load_weights else config, **kwargs)

    def save_pretrained(
        self, folder: str | os.PathLike, tokenizer: AlbertTokenizer | None = None
    ) -> None:
        """Saves the encoder in a folder that `from_pretrained` and every command take.

        Args:
          folder: the folder to create; it must be new or empty.
          tokenizer: the tokenizer to save with it; exports need one.

        Raises:
          InputError: the folder is not empty, or the encoder has options that the folder cannot
            store: `norm_first` or an activation function.
        """
        pretrained.save(self, folder, pretrained.config_of(self), tokenizer=tokenizer)

    def build(self, input_shape: Any) -> None:
        parts = (self.embeddings_layer, self.stack, self._pooler_layer)
        build_parts(*((part, self.hidden_size) for part in parts))
        super().build(input_shape)

    # === Call ===
    def call(
        self,
        inputs: Any,
        training: bool = False,
        output_range: int | None = None,
        remove_padding: bool | None = None,
        output_positions: tf.Tensor | None = None,
        mask: Any = None,
    ) -> Any:
        """Returns the outputs described in the class docstring.

        Args:
          inputs: the input tensors.
          training: whether to apply dropout.
          output_range: overrides the constructor's. 1 is enough for `pooled_output`.
          remove_padding: overrides the constructor's.
          output_positions: int32 [B, P], positions of real tokens, the first of which must be 0.
            If given, `sequence_output` [B, P, H] holds only these, and the part of the last block
            after attention is computed only for them.
          mask: the input `input_mask` as an argument, as Keras passes it.
        """
        output_range = self._output_range if output_range is None else output_range
        remove_padding = self.remove_padding if remove_padding is None else remove_padding
        self._check_scores(remove_padding)
        features = standardize(inputs, mask)
        mask = mask_of(features)
        layout_class = UnpaddedLayout if remove_padding else PaddedLayout
        layout = layout_class(mask, self.compute_dtype, self.stack.num_heads)
        x = self.embeddings_layer(features, layout, training=training)  # [T, H]
        last = layout if output_positions is None else SelectedPositions(layout, output_positions)
        outputs, scores = self.stack(
            x, layout, output_range, features.get("head_mask"), last, training=training
        )
        pooled = self._pooler_layer(last.first(outputs[-1], output_range))  # [B, H]
        outputs = [
            *(layout.unpack(rows, None) for rows in outputs[:-1]),
            last.unpack(outputs[-1], output_range),
        ]  # each [B, S, H]
        observation.note(mask, outputs, scores, output_positions)
        if not self._dict_outputs:
            return [outputs[-1], pooled, *([scores] if self._return_attention_scores else [])]
        result = dict(sequence_output=outputs[-1], pooled_output=pooled, encoder_outputs=outputs)
        if self._return_attention_scores:
            result["attention_scores"] = scores
        if self._return_embedding_output:
            result["embedding_output"] = result["word_embeddings"] = layout.unpack(x, None)
        return result

    def _check_scores(self, remove_padding: bool) -> None:
        if remove_padding and self._return_attention_scores:
            raise InputError(
                "attention_scores are not available with padding removal. Received "
                "return_attention_scores=True, remove_padding=True. Turn one of them off."
            )

    # === Parts, under Model Garden's names ===
    @property
    def hidden_size(self) -> int:
        """The hidden size, H."""
        return self._pooler_layer.units

    def get_embedding_table(self) -> tf.Variable:
        """Returns the word embedding table, [V, E]."""
        return self.embeddings_layer.word_embeddings.embeddings

    def get_embedding_layer(self) -> Table | tf_keras.layers.Layer:
        """Returns the layer that owns the word embedding table."""
        return self.embeddings_layer.word_embeddings

    @property
    def transformer_layers(self) -> list[tf_keras.layers.Layer]:
        """The block of each application. A shared block is listed once per application."""
        return self.stack.applications

    @property
    def pooler_layer(self) -> tf_keras.layers.Dense:
        """The dense layer that computes `pooled_output`."""
        return self._pooler_layer

    # === Config ===
    def get_config(self) -> dict[str, Any]:
        word_table = self.get_embedding_layer()
        return {
            **super().get_config(),
            **self._config,
            "embedding_layer": _serialized(word_table) if self._shares_embeddings else None,
            "remove_padding": self.remove_padding,
            "layer_norm_epsilon": self.embeddings_layer.norm.epsilon,
        }


# In the legacy format, which Keras reads from files of all kinds.
def _serialized(layer: tf_keras.layers.Layer) -> dict[str, Any]:
    return tf_keras.layers.serialize(layer, use_legacy_format=True)


def _restored(layer: tf_keras.layers.Layer | Mapping[str, Any] | None) -> Any:
    if isinstance(layer, Mapping):
        return tf_keras.layers.deserialize(layer, use_legacy_format=True)
    return layer


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
    """Returns the `.inputs` that Model Garden's models use to build themselves on an encoder."""
    ids = [*NAMES, *(DENSE_NAMES if with_dense_inputs else ())]
    result = {name: tf_keras.Input([None], dtype=tf.int32, name=name) for name in ids}
    if with_dense_inputs:
        result["dense_inputs"] = tf_keras.Input(
            [None, embedding_width], dtype=tf.float32, name="dense_inputs"
        )
    return result
