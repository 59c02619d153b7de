"""Checks the folder of a run, and writes everything to it except checkpoints."""

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
    """Checks that a run can start or resume in a folder and returns its path; changes nothing.

    Raises:
      InputError: the folder contains something else or is not writable.
    """
    path = Path(path).expanduser()
    if path.is_dir() and any(path.iterdir()) and not (path / CONFIG).is_file():
        raise InputError(
            "--model_dir must be new, empty, or the folder of an earlier run (with "
            f"{CONFIG}), so that nothing is overwritten. Received '{path}'. Use another folder."
        )
    if path.exists() and not path.is_dir():
        raise InputError(
            f"--model_dir must be a folder. Received '{path}', a file. Use another path."
        )
    return files.check_writable(path, "--model_dir")


def check_same(path: Path, config: AlbertConfig, extra_files: Mapping[str, Path | str]) -> None:
    """Checks that the folder of a run, if it exists, belongs to the same experiment.

    Args:
      path: the folder, which need not exist.
      config: config of the model.
      extra_files: see `prepare`.

    Raises:
      InputError: the folder belongs to a run with another model, vocabulary or task.
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
            "A run can only resume in its own --model_dir. Received "
            f"'{path}' of another experiment: {'; '.join(different)}. Use another folder."
        )


def prepare(
    path: Path, config: AlbertConfig, extra_files: Mapping[str, Path | str], trains: bool
) -> None:
    """Writes the files that make the folder a complete model: config, vocabulary and gin config.

    Args:
      path: the folder.
      config: config of the model.
      extra_files: further files, such as the vocabulary, keyed by their name in the folder. A value
        is the path of a file to copy, or the text to write.
      trains: whether the run trains. A run that only evaluates does not overwrite the gin config
        of the training.
    """
    path.mkdir(parents=True, exist_ok=True)
    write_model_files(path, config, extra_files)
    if trains or not (path / CONFIG).is_file():
        write_gin(path / CONFIG, gin.config_str())


def write_model_files(
    path: Path, config: AlbertConfig, extra_files: Mapping[str, Path | str]
) -> None:
    """Writes the files that turn checkpoints in a folder into a model; see `prepare`."""
    config.to_json_file(path / ALBERT_CONFIG)
    for name, source in extra_files.items():
        with files.replacing(path / name) as temporary:
            temporary.write_bytes(_content(source))


def write_gin(path: Path, text: str) -> None:
    """Writes gin text after a comment with the version of this package."""
    with files.replacing(path) as temporary:
        temporary.write_text(f"# albert_tf {__version__}\n{text}", encoding="utf-8")


def _content(source: Path | str) -> bytes:
    return source.encode() if isinstance(source, str) else source.read_bytes()
