"""`ModelConfig`: an `AlbertConfig` for use in Model Garden's nested configs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from official.modeling.hyperparams import base_config

from albert_tf import presets
from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.formats.load import load

# The fields and defaults are taken from AlbertConfig, so that they are defined only once.
_Fields = dataclasses.make_dataclass(
    "_Fields",
    [
        (field.name, {"int": int, "float": float, "str": str}[field.type], field.default)
        for field in dataclasses.fields(AlbertConfig)
    ],
    bases=(base_config.Config,),
)


@dataclasses.dataclass
class ModelConfig(_Fields):
    """The fields of `AlbertConfig`; gin bindings and Model Garden's overrides can set them."""

    def to_albert_config(self) -> AlbertConfig:
        """Returns the frozen config.

        Raises:
          InputError: a value breaks a rule of `AlbertConfig`.
        """
        return AlbertConfig.from_dict(self.as_dict())


def from_preset(name: str, **overrides: Any) -> ModelConfig:
    """Returns the config of a released model.

    Args:
      name: a name in `albert_tf.presets`.
      **overrides: fields to change, such as `vocab_size`.

    Raises:
      InputError: the preset or a field is unknown.
    """
    return _with(presets.get(name).config, overrides)


def from_pretrained(
    path_or_handle: str, max_position_embeddings: int | None = None, **overrides: Any
) -> ModelConfig:
    """Returns the config of an existing model, such as the one that a run starts from.

    Args:
      path_or_handle: anything that `AlbertEncoder.from_pretrained` reads.
      max_position_embeddings: the length of the longest sequence; None for that of the model.
      **overrides: other fields to change, such as `hidden_dropout_prob`.

    Raises:
      InputError: the model cannot be read, or a field is unknown.
    """
    if max_position_embeddings is not None:
        overrides["max_position_embeddings"] = max_position_embeddings
    return _with(load(path_or_handle).config, overrides)


def _with(config: AlbertConfig, overrides: Mapping[str, Any]) -> ModelConfig:
    known = config.to_dict()
    for name in overrides:
        if name not in known:
            raise InputError(
                f"A size or rate of a model must be a field of its config. Received {name!r}. "
                f"{closest(name, known)}"
            )
    return ModelConfig(**{**known, **overrides})
