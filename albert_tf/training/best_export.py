"""Exporting the best checkpoint as training goes on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

Export = Callable[[Path, Path], Any]


class BestExport:
    """Eval action: exports the best checkpoint when it is newer than the last export of it.

    The old export stays until the new one is complete. Nothing but the age of files tells whether
    there is something to do, so that a run that was killed makes up for it.

    Args:
      best: folder of the best checkpoint, with its config and vocabulary.
      dest: folder of the export.
      export: called with `best` and a folder to make.
    """

    def __init__(self, best: Path, dest: str | os.PathLike, export: Export) -> None:
        self._best, self._dest, self._export = best, Path(dest).expanduser(), export

    def __call__(self, _: Any) -> None:
        """Exports if need be."""
        newest = tf.train.latest_checkpoint(str(self._best))
        if newest is None:
            return
        written = os.stat(f"{newest}.index").st_mtime
        if self._dest.exists() and self._dest.stat().st_mtime >= written:
            return
        self._dest.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._dest.parent, prefix=".best.") as folder:
            new = Path(folder) / "new"
            self._export(self._best, new)
            if self._dest.exists():
                os.replace(self._dest, Path(folder) / "old")
            os.replace(new, self._dest)
