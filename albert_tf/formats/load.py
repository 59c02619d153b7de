"""`load(path_or_handle)` detects the format of a model and reads it."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats import (
    checkpoint,
    handles,
    hub,
    hugging_face,
    keras_hub,
    model_garden,
    tf1,
    tf1_hub,
)
from albert_tf.formats.source import Source

FORMATS: dict[str, ModuleType] = {
    module.NAME: module
    # Presets of KerasHub have a config.json too, so they are asked before Hugging Face folders.
    for module in (tf1, tf1_hub, hub, keras_hub, hugging_face, model_garden, checkpoint)
}


def load(path_or_handle: str | os.PathLike, config: AlbertConfig | None = None) -> Source:
    """Returns the model that lies there; its weights are read when they are asked for.

    Args:
      path_or_handle: a folder, the prefix of a checkpoint, or a handle of `handles.py`.
      config: for folders without one, in place of the one that lies there.

    Raises:
      InputError: nothing lies there, it has no known format, or it breaks a rule of its format.
    """
    path = handles.resolve(path_or_handle)
    for module in FORMATS.values():
        if module.matches(path):
            return module.read(path, config)
    raise _unknown(path)


def _unknown(path: Path) -> InputError:
    if path.is_dir():
        found = sorted(entry.name for entry in path.iterdir())
        received = f"'{path}', which holds {found[:20]}"
    else:
        received = f"'{path}', which is no folder and no prefix of a checkpoint"
    needs = "; ".join(f"{name}: {module.NEEDS}" for name, module in FORMATS.items())
    return InputError(
        f"A model must lie in a folder of a known format. Received {received}. "
        f"Each format needs: {needs}."
    )
