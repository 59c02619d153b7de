"""The folder of a run: what may lie there before, and what is written besides checkpoints."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import gin

from albert_tf import files
from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.version import __version__

CONFIG = "config.gin"
OPERATIVE_CONFIG = "operative_config.gin"
ALBERT_CONFIG = "albert_config.json"


def check(path: str | os.PathLike) -> Path:
    """Returns the folder of a new run, or of one to go on with, and changes nothing.

    Raises:
      InputError: it holds something else, or cannot be written.
    """
    path = Path(path).expanduser()
    if path.is_dir() and any(path.iterdir()) and not (path / CONFIG).is_file():
        raise InputError(
            "--model_dir must be new, empty, or the folder of an earlier run (with "
            f"{CONFIG}), so that nothing is overwritten. Received '{path}'. Name another."
        )
    if path.exists() and not path.is_dir():
        raise InputError(f"--model_dir must be a folder. Received '{path}', a file. Name another.")
    return files.check_writable(path, "--model_dir")


def prepare(path: Path, config: AlbertConfig, extra_files: dict[str, Path]) -> None:
    """Writes what makes the folder a model: config, vocabulary and the gin it ran with.

    Args:
      path: the folder.
      config: of the model.
      extra_files: files to copy beside them, by their name in the folder: the vocabulary.
    """
    path.mkdir(parents=True, exist_ok=True)
    write_gin(path / CONFIG, gin.config_str())
    config.to_json_file(path / ALBERT_CONFIG)
    for name, source in extra_files.items():
        with files.replacing(path / name) as temporary:
            shutil.copyfile(source, temporary)


def write_gin(path: Path, text: str) -> None:
    """Writes gin text with the version of this package in front."""
    with files.replacing(path) as temporary:
        temporary.write_text(f"# albert_tf {__version__}\n{text}", encoding="utf-8")
