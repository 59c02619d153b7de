"""The folder of a run: what may lie there before, and what is written besides checkpoints."""

from __future__ import annotations

import os
from collections.abc import Mapping
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


def check_same(path: Path, config: AlbertConfig, extra_files: Mapping[str, Path | str]) -> None:
    """Checks that what lies in the folder of a run is of the same experiment.

    Args:
      path: the folder, or where it will be.
      config: of the model.
      extra_files: as `prepare` takes them.

    Raises:
      InputError: it is the folder of another model, vocabulary or task.
    """
    different = []
    if (path / ALBERT_CONFIG).is_file():
        different = config.misfits(AlbertConfig.from_json_file(path / ALBERT_CONFIG))
    different += [
        f"another {name}"
        for name, source in extra_files.items()
        if (path / name).is_file() and (path / name).read_bytes() != _content(source)
    ]
    if different:
        raise InputError(
            "A run may go on in its own --model_dir only. Received "
            f"'{path}' of another experiment: {'; '.join(different)}. Name another folder."
        )


def prepare(
    path: Path, config: AlbertConfig, extra_files: Mapping[str, Path | str], trains: bool
) -> None:
    """Writes what makes the folder a model: config, vocabulary and the gin it ran with.

    Args:
      path: the folder.
      config: of the model.
      extra_files: files beside them by their name in the folder, such as the vocabulary: paths to
        copy, or texts.
      trains: whether this run trains; the gin of one that only evaluates does not replace that.
    """
    path.mkdir(parents=True, exist_ok=True)
    write_model_files(path, config, extra_files)
    if trains or not (path / CONFIG).is_file():
        write_gin(path / CONFIG, gin.config_str())


def write_model_files(
    path: Path, config: AlbertConfig, extra_files: Mapping[str, Path | str]
) -> None:
    """Writes what makes checkpoints in a folder a model; see `prepare`."""
    config.to_json_file(path / ALBERT_CONFIG)
    for name, source in extra_files.items():
        with files.replacing(path / name) as temporary:
            temporary.write_bytes(_content(source))


def write_gin(path: Path, text: str) -> None:
    """Writes gin text with the version of this package in front."""
    with files.replacing(path) as temporary:
        temporary.write_text(f"# albert_tf {__version__}\n{text}", encoding="utf-8")


def _content(source: Path | str) -> bytes:
    return source.encode() if isinstance(source, str) else source.read_bytes()
