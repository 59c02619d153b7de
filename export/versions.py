"""Folders as TensorFlow Serving reads them: NAME/VERSION, where VERSION is a whole number."""

from __future__ import annotations

import os
from pathlib import Path

from albert_tf.errors import InputError

NEXT = "next"


def folder(base: str | os.PathLike, version: str = NEXT) -> Path:
    """Returns the folder of a version, which need not exist.

    The server serves the highest number that it finds and ignores every other name, such as that of
    the temporary folder in which an export is written before it gets its number.

    Args:
      base: the folder of all versions; its name is that of the served model.
      version: a whole number, or "next": one more than the highest that is there, 1 at first.

    Raises:
      InputError: `version` is neither.
    """
    base = Path(base).expanduser()
    if version == NEXT:
        names = [path.name for path in base.iterdir()] if base.is_dir() else []
        return base / str(max((int(n) for n in names if _is_version(n)), default=0) + 1)
    if not _is_version(version):
        raise InputError(
            "A version must be a whole number below 2**63, as TensorFlow Serving ignores other "
            f"names. Received {version!r}. Leave it out for the next one."
        )
    return base / str(int(version))


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdecimal() and int(name) < 2**63
