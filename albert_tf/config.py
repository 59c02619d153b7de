"""`AlbertConfig`: the sizes of an ALBERT model, with the keys of albert_config.json."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from albert_tf.errors import InputError, closest
from albert_tf.files import existing, read_json, replacing

# Keys in released albert_config.json files that the original code never uses.
UNUSED_KEYS = frozenset(
    {"down_scale_factor", "gap_size", "net_structure_type", "num_memory_blocks"}
)

ACTIVATIONS = ("gelu", "gelu_erf", "relu", "tanh", "linear")

# The default of contrib.layers.layer_norm, which the original uses. The embeddings of released
# models are so small that 1e-6 instead would already change the outputs by 4e-4.
LAYER_NORM_EPSILON = 1e-12

# The arguments of Model Garden's AlbertEncoder and the corresponding fields of `AlbertConfig`.
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

# The same for our `AlbertEncoder`, which also has groups.
ENCODER_ARGUMENTS = MODEL_GARDEN_ARGUMENTS | {
    name: name for name in ("num_hidden_groups", "inner_group_num")
}

# The largest sizes that a config may have, many times those of the largest released model. They
# keep a damaged file from taking all memory or hours before its weights are compared with it.
LIMITS: Mapping[str, int] = MappingProxyType(
    {
        "vocab_size": 10_000_000,
        "embedding_size": 100_000,
        "hidden_size": 100_000,
        "num_hidden_layers": 1000,
        "num_hidden_groups": 1000,
        "inner_group_num": 20,
        "num_attention_heads": 10_000,
        "intermediate_size": 1_000_000,
        "max_position_embeddings": 1_000_000,
        "type_vocab_size": 100_000,
    }
)

_FREE = {"hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range"}


@dataclasses.dataclass(frozen=True)
class AlbertConfig:
    """Sizes and dropout rates of a model.

    The defaults are those of ALBERT base v2 (Lan et al. 2020, table 1, and the released
    albert_config.json files), which has no dropout.

    Attributes:
      vocab_size: number of rows in the word embedding table; 30000 in the released models.
      embedding_size: E, width of the factorised embeddings. If it differs from `hidden_size`, a
        projection follows.
      hidden_size: H, a multiple of `num_attention_heads`.
      num_hidden_layers: L, number of layers. All layers of a group share their weights.
      num_hidden_groups: number of groups; layer i uses group i * groups // layers.
      inner_group_num: number of blocks in a group. Each layer runs all of them in turn.
      num_attention_heads: N.
      intermediate_size: width of the feed-forward network.
      hidden_act: activation function. "gelu" is the tanh approximation, as in the original;
        "gelu_erf" is the exact form.
      hidden_dropout_prob: dropout after the embedding norm, the attention output and the
        feed-forward network.
      attention_probs_dropout_prob: dropout on the attention probabilities.
      max_position_embeddings: number of rows in the position embedding table, and so the length of
        the longest sequence in tokens.
      type_vocab_size: number of rows in the segment embedding table.
      initializer_range: standard deviation of the truncated normal initializer.
      limits: the largest sizes, for models beyond those in `LIMITS`; it is not stored.
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
    limits: dataclasses.InitVar[Mapping[str, int] | None] = None

    def __post_init__(self, limits: Mapping[str, int] | None) -> None:
        """Raises `InputError` for the first invalid field."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and (type(value) is not int or value < 1):
                raise InputError(
                    f"{field.name} must be an integer of at least 1. Received {value!r:.80}."
                )
            largest = {**LIMITS, **(limits or {})}.get(field.name)
            if largest is not None and value > largest:
                raise InputError(
                    f"{field.name} must be at most {largest}. Received {value!r:.80}. If the model "
                    f"is this large, pass config=AlbertConfig(..., limits={{'{field.name}': ...}})."
                )
            if field.type == "float" and type(value) not in (int, float):
                raise InputError(f"{field.name} must be a number. Received {value!r:.80}.")
            if field.name.endswith("_prob") and not 0.0 <= value < 1.0:
                raise InputError(f"{field.name} must lie in [0, 1). Received {value!r}.")
        if self.hidden_size % self.num_attention_heads:
            raise InputError(
                "hidden_size must be a multiple of num_attention_heads. Received "
                f"hidden_size={self.hidden_size}, num_attention_heads={self.num_attention_heads}."
            )
        if self.num_hidden_groups > self.num_hidden_layers:
            raise InputError(
                "num_hidden_groups must not exceed num_hidden_layers, or a group would be unused. "
                f"Received num_hidden_groups={self.num_hidden_groups}, "
                f"num_hidden_layers={self.num_hidden_layers}."
            )
        if self.hidden_act not in ACTIVATIONS:
            raise InputError(
                f"hidden_act must be a known activation. Received {self.hidden_act!r:.80}. "
                f"{closest(str(self.hidden_act)[:80], ACTIVATIONS)}"
            )
        if not 0 < self.initializer_range < math.inf:
            raise InputError(
                f"initializer_range must be positive. Received {self.initializer_range!r}."
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AlbertConfig:
        """Returns a config with the given values; drops keys that the original never uses.

        Raises:
          InputError: a key is unknown or a value is invalid.
        """
        fields = {field.name for field in dataclasses.fields(cls)}
        for key in values:
            if key not in fields | UNUSED_KEYS:
                raise InputError(
                    f"A config can have known keys only. Received {key[:80]!r}. "
                    f"{closest(key, fields)}"
                )
        return cls(**{key: value for key, value in values.items() if key in fields})

    @classmethod
    def from_json_file(cls, path: str | os.PathLike) -> AlbertConfig:
        """Reads an albert_config.json.

        Raises:
          InputError: the file is missing or is not a JSON object, or `from_dict` rejects it.
        """
        path = existing(path, "A model config")
        return cls.from_dict(read_json(path, "A model config"))

    def misfits(self, other: AlbertConfig) -> list[str]:
        """Returns the fields because of which weights of `other` do not fit, with both values.

        Dropout rates and the initializer range may differ, since outputs do not depend on them.
        """
        ours, theirs = self.to_dict(), other.to_dict()
        return [
            f"{name}={ours[name]!r} here, {theirs[name]!r} there"
            for name in ours
            if ours[name] != theirs[name] and name not in _FREE
        ]

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields as a dict."""
        return dataclasses.asdict(self)

    def to_json_file(self, path: str | os.PathLike) -> None:
        """Writes an albert_config.json, which the original code can read too."""
        with replacing(path) as temporary:
            Path(temporary).write_text(json.dumps(self.to_dict(), indent=2) + "\n")


def layer_to_group(layer: int, num_layers: int, num_groups: int) -> int:
    """Returns the group of a layer.

    The integer division is exact; the original divides floats, which fails for 22 groups.
    """
    return layer * num_groups // num_layers
