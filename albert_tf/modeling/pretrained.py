"""Building a model with weights that exist: what `from_pretrained` of every model calls.

Readers of the formats stand in `albert_tf.convert`, which imports this package, so that this
package may not import them. The reader is therefore named as text and imported when it is called;
who never loads weights never loads the readers.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from types import ModuleType
from typing import TypeVar

from albert_tf.config import AlbertConfig

_READER = "albert_tf.convert.load"
Model = TypeVar("Model")


def from_pretrained(
    build: Callable[[AlbertConfig], Model],
    path_or_handle: str | os.PathLike,
    config: AlbertConfig | None,
    allow_partial: bool,
) -> Model:
    """Returns `build(config)` with the weights of a released, converted or trained model.

    Args:
      build: makes the model.
      path_or_handle: a folder or checkpoint of any known format, or a handle.
      config: in place of the one that lies there; for folders without one.
      allow_partial: whether names may be left over on either side.

    Raises:
      InputError: as `albert_tf.convert.load`'s `load` and `assign`.
    """
    source = reader().load(path_or_handle, config)
    model = build(source.config)
    reader().assign(model, source, allow_partial=allow_partial)
    return model


def reader() -> ModuleType:
    """Returns `albert_tf.convert.load`, whose `load` reads any format and `assign` sets a model."""
    return importlib.import_module(_READER)
