"""Writing an artefact: the one place that calls `tf.saved_model.save`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from albert_tf.files import new_directory

from . import manifest, model_card, warmup

WHAT = "The export directory"


def write(
    module: Any,
    dest: str | os.PathLike,
    signatures: Mapping[str, Callable[..., Any]],
    description: Mapping[str, Any],
    card: str,
    verify: Callable[[Path], Any] | None = None,
    requests: Iterable[warmup.Request] = (),
) -> Path:
    """Saves a module with a manifest; the folder appears only when all of it succeeded.

    Args:
      module: a trackable object, whose assets are files that exist.
      dest: the folder to make; new, or empty.
      signatures: concrete functions by name.
      description: what the manifest tells besides what it reads from the artefact.
      card: README.md of the artefact.
      verify: called with the finished folder under its temporary name, before the rename; an
        exception that it raises leaves no artefact behind.
      requests: for a server to warm up with; see `warmup`.

    Returns:
      `dest`.

    Raises:
      InputError: `dest` holds something or cannot be written; before any work.
    """
    dest = Path(dest).expanduser()
    with new_directory(dest, WHAT) as temporary:
        tf.saved_model.save(module, str(temporary), signatures=dict(signatures))
        warmup.write(temporary, requests)
        (temporary / model_card.NAME).write_text(card, encoding="utf-8")
        manifest.write(temporary, description)
        if verify is not None:
            verify(temporary)
    return dest
