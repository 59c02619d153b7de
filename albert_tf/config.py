"""The shape of an ALBERT model: `AlbertConfig`, keys named as in albert_config.json."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from albert_tf.errors import InputError, closest
from albert_tf.files import existing, replacing

# Keys that released albert_config.json files carry and the original graph never reads.
UNUSED_KEYS = frozenset(
    {"down_scale_factor", "gap_size", "net_structure_type", "num_memory_blocks"}
)

ACTIVATIONS = ("gelu", "gelu_erf", "relu", "tanh", "linear")

# As the original's contrib.layers.layer_norm. On weights as small as released embeddings are,
# 1e-6 instead already changes outputs by 4e-4.
LAYER_NORM_EPSILON = 1e-12

# Arguments of Model Garden's AlbertEncoder, and the fields of `AlbertConfig` that they set.
MODEL_GARDEN_ARGUMENTS = {
    "vocab_size": "vocab_size",
    "embedding_width": "embedding_size",
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_attention_heads": "num_attention_heads",
    "max_sequence_length": "max_position_embeddings",
    "type_vocab_size": "type_vocab_size",
    "intermediate_size": "intermediate_size",
    "activation": "hidden_act",
    "dropout_rate": "hidden_dropout_prob",
    "attention_dropout_rate": "attention_probs_dropout_prob",
}

# Those of our `AlbertEncoder`, which has groups as well.
ENCODER_ARGUMENTS = MODEL_GARDEN_ARGUMENTS | {
    name: name for name in ("num_hidden_groups", "inner_group_num")
}

_FREE = {"hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range"}


@dataclasses.dataclass(frozen=True)
class AlbertConfig:
    """Sizes and rates of one model.

    Defaults are those of ALBERT base v2 (Lan et al. 2020, table 1, and the released
    albert_config.json files), dropout 0 included.

    Attributes:
      vocab_size: rows of the word table; the released models have 30000.
      embedding_size: E, width of the factorised embeddings; a projection to `hidden_size` follows
        where the two differ.
      hidden_size: H, a multiple of `num_attention_heads`.
      num_hidden_layers: L, layer applications; all layers of a group share their weights.
      num_hidden_groups: groups with weights of their own; layer i uses group i * groups // layers.
      inner_group_num: blocks in a group; a layer runs all of them in turn.
      num_attention_heads: N.
      intermediate_size: width of the feed-forward part.
      hidden_act: "gelu" is the tanh form, as in the original; "gelu_erf" the exact one.
      hidden_dropout_prob: after the embedding norm, the attention output and the feed-forward part.
      attention_probs_dropout_prob: on attention probabilities.
      max_position_embeddings: rows of the position table, the longest sequence.
      type_vocab_size: rows of the segment table.
      initializer_range: standard deviation of the truncated normal initializer.
    """

    vocab_size: int = 30000
    embedding_size: int = 128
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_hidden_groups: int = 1
    inner_group_num: int = 1
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        """Raises `InputError` for the first rule that is broken."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and (type(value) is not int or value < 1):
                raise InputError(
                    f"{field.name} must be an integer of at least 1. Received {value!r}."
                )
            if field.name.endswith("_prob") and not 0.0 <= value < 1.0:
                raise InputError(f"{field.name} must lie in [0, 1). Received {value!r}.")
        if self.hidden_size % self.num_attention_heads:
            raise InputError(
                "hidden_size must be a multiple of num_attention_heads. Received "
                f"hidden_size={self.hidden_size}, num_attention_heads={self.num_attention_heads}."
            )
        if self.num_hidden_groups > self.num_hidden_layers:
            raise InputError(
                "num_hidden_groups must not exceed num_hidden_layers, or a group would never run. "
                f"Received num_hidden_groups={self.num_hidden_groups}, "
                f"num_hidden_layers={self.num_hidden_layers}."
            )
        if self.hidden_act not in ACTIVATIONS:
            raise InputError(
                f"hidden_act must be a known activation. Received {self.hidden_act!r}. "
                f"{closest(self.hidden_act, ACTIVATIONS)}"
            )
        if self.initializer_range <= 0:
            raise InputError(
                f"initializer_range must be positive. Received {self.initializer_range!r}."
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AlbertConfig:
        """Returns the config with the given keys; the unused keys of released files are dropped.

        Raises:
          InputError: a key is unknown, or a value breaks a rule.
        """
        fields = {field.name for field in dataclasses.fields(cls)}
        for key in values:
            if key not in fields | UNUSED_KEYS:
                raise InputError(
                    f"A config must hold known keys only. Received {key!r}. {closest(key, fields)}"
                )
        return cls(**{key: value for key, value in values.items() if key in fields})

    @classmethod
    def from_json_file(cls, path: str | os.PathLike) -> AlbertConfig:
        """Reads an albert_config.json.

        Raises:
          InputError: the file is missing, is not a JSON object, or breaks a rule of `from_dict`.
        """
        path = existing(path, "A model config")
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"A model config must be JSON. Received '{path}': {error}.") from error
        if not isinstance(values, dict):
            raise InputError(f"A model config must be a JSON object. Received '{path}'.")
        return cls.from_dict(values)

    def misfits(self, other: AlbertConfig) -> list[str]:
        """Returns the fields that weights of `other` would not fit, with both values.

        Dropout rates and the initializer's range are free, as they change no number of a model.
        """
        here, there = self.to_dict(), other.to_dict()
        return [
            f"{name}={here[name]!r} here, {there[name]!r} there"
            for name in here
            if here[name] != there[name] and name not in _FREE
        ]

    def to_dict(self) -> dict[str, Any]:
        """Returns all keys with their values."""
        return dataclasses.asdict(self)

    def to_json_file(self, path: str | os.PathLike) -> None:
        """Writes an albert_config.json that the original code reads too."""
        with replacing(path) as temporary:
            Path(temporary).write_text(json.dumps(self.to_dict(), indent=2) + "\n")


def layer_to_group(layer: int, num_layers: int, num_groups: int) -> int:
    """Returns the group of a layer, in integers: the original's floats miss it for 22 of 22."""
    return layer * num_groups // num_layers
