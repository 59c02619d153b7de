"""`load(path_or_handle)` detects the format of a model and reads it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from types import ModuleType

from albert_tf import sources
from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats import (
    checkpoint,
    hub,
    hugging_face,
    keras_hub,
    model_garden,
    tf1,
    tf1_hub,
)
from albert_tf.formats.source import Source
from albert_tf.formats.tf_checkpoint import find_prefix

FORMATS: dict[str, ModuleType] = {
    module.NAME: module
    # KerasHub presets also have a config.json, so keras_hub comes before hugging_face.
    for module in (tf1, tf1_hub, hub, keras_hub, hugging_face, model_garden, checkpoint)
}

# The folder of the best checkpoint, below the folder of a run (experiments/runs/finetune.gin).
BEST = "best"


def load(path_or_handle: str | os.PathLike | Source, config: AlbertConfig | None = None) -> Source:
    """Detects the format of a model and returns it; each weight is read only when accessed.

    Args:
      path_or_handle: a folder, the prefix of a checkpoint, a handle, or the name of a released
        model (see `sources`). The folder of a run means its best checkpoint if it has one. What
        this function returned before is returned as it is.
      config: used instead of the config in the folder, if the folder has one.

    Raises:
      InputError: the path does not exist, is not in a known format, or violates its format.
    """
    if isinstance(path_or_handle, Source):
        return path_or_handle
    if not isinstance(path_or_handle, (str, os.PathLike)):
        raise InputError(
            "A model must be given by its name, folder, checkpoint or handle. Received "
            f"an object of type {type(path_or_handle).__name__}. Save a model with "
            "save_pretrained(folder, tokenizer), and pass the folder."
        )
    path = sources.resolve(path_or_handle)
    is_run = find_prefix(path / BEST) is not None
    for module in FORMATS.values():
        if module.matches(path / BEST if is_run else path):
            source = module.read(path / BEST if is_run else path, config)
            if not is_run:
                return source
            note = f"this is the best checkpoint of the run '{path}'"
            return dataclasses.replace(source, notes=(*source.notes, note))
    raise _unknown_format(path)


def _unknown_format(path: Path) -> InputError:
    if path.is_dir():
        contents = sorted(entry.name for entry in path.iterdir())
        received = f"'{path}', a folder that contains {contents[:20]}"
    else:
        received = f"'{path}', a file"
    needs = "; ".join(f"{name}: {module.NEEDS}" for name, module in FORMATS.items())
    return InputError(
        f"A model must be in a known format. Received {received}. Files that each format requires: "
        f"{needs}."
    )
