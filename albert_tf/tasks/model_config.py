"""`ModelConfig`: AlbertConfig in the form that Model Garden's nested configs take."""

from __future__ import annotations

import dataclasses
from typing import Any

from official.modeling.hyperparams import base_config

from albert_tf import presets
from albert_tf.config import AlbertConfig
from albert_tf.formats.load import load

# The same fields and defaults as AlbertConfig, which stays their one home.
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
    """The fields of `AlbertConfig`, open to gin bindings and to Model Garden's overrides."""

    def to_albert_config(self) -> AlbertConfig:
        """Returns the frozen config.

        Raises:
          InputError: a value breaks a rule of `AlbertConfig`.
        """
        return AlbertConfig.from_dict(self.as_dict())


def from_preset(name: str, **overrides: Any) -> ModelConfig:
    """Returns the sizes of a released model.

    Args:
      name: a name of `albert_tf.presets`.
      **overrides: fields to change, such as `vocab_size`.

    Raises:
      InputError: the preset is unknown.
    """
    return ModelConfig(**{**presets.get(name).config.to_dict(), **overrides})


def from_pretrained(path_or_handle: str, **overrides: Any) -> ModelConfig:
    """Returns the config of a model that exists, such as the one a run begins with.

    Args:
      path_or_handle: what `AlbertEncoder.from_pretrained` reads.
      **overrides: fields to change, such as `hidden_dropout_prob`.

    Raises:
      InputError: nothing readable lies there.
    """
    source = load(path_or_handle)
    return ModelConfig(**{**source.config.to_dict(), **overrides})
