"""`ModelConfig`: AlbertConfig in the form that Model Garden's nested configs take."""

from __future__ import annotations

import dataclasses
from typing import Any

from official.modeling.hyperparams import base_config

from albert_tf import presets
from albert_tf.config import AlbertConfig

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
