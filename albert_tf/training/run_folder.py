"""Checks the folder of a run, and writes everything to it except checkpoints."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import gin
from official.core import config_definitions

from albert_tf import files
from albert_tf.config import AlbertConfig
from albert_tf.data import storage
from albert_tf.errors import InputError
from albert_tf.formats.tf_checkpoint import find_prefix
from albert_tf.version import __version__

CONFIG = "config.gin"
OPERATIVE_CONFIG = "operative_config.gin"
ALBERT_CONFIG = "albert_config.json"
TRAINED = "train_data.json"  # what the run was trained on
EVALUATED = "eval_data.json"  # what the evaluations of the run were computed on
_DIGEST_BYTES = 2**20
_BINDING = re.compile(r"^([\w./]+) = (.*(?:\n[ \t].*)*)", re.MULTILINE)


def check(path: str | os.PathLike, mode: str) -> Path:
    """Checks that a run can start or resume in a folder and returns its path; changes nothing.

    Raises:
      InputError: the folder contains something else, is not writable, or does not exist although
        another process must have created it.
    """
    path = Path(path).expanduser()
    if mode == "continuous_eval" and not (path / CONFIG).is_file():
        raise InputError(
            "--mode continuous_eval follows a training that runs in --model_dir. Received "
            f"'{path}', where none has started. Check the path, or start the training first."
        )
    if path.is_dir() and any(path.iterdir()) and not (path / CONFIG).is_file():
        raise InputError(
            "--model_dir must be new, empty, or the folder of an earlier run (with "
            f"{CONFIG}), so that nothing is overwritten. Received '{path}'. Use another folder."
        )
    if path.exists() and not path.is_dir():
        raise InputError(
            f"--model_dir must be a folder. Received '{path}', a file. Use another path."
        )
    if mode == "eval" and path.is_dir():
        return path  # It is not written to if it is not writable.
    return files.check_writable(path, "--model_dir")


def is_writable(path: Path) -> bool:
    """Whether files can be created in the folder of a run, which need not exist."""
    try:
        files.check_writable(path, "--model_dir")
    except InputError:
        return False
    return True


def changed_settings(path: Path) -> list[str]:
    """Returns the gin settings that differ from those with which the run was started, as text."""
    if not (path / CONFIG).is_file() or not gin.config_str():
        return []
    before, now = map(settings, ((path / CONFIG).read_text(encoding="utf-8"), gin.config_str()))
    return [
        f"{name} {before.get(name, 'unset')} -> {now.get(name, 'unset')}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]


def settings(text: str) -> dict[str, str]:
    """Returns the values of the macros and bindings of a gin file, as text."""
    return {
        name: " ".join(value.replace("\\\n", " ").split()) for name, value in _BINDING.findall(text)
    }


def identity_of(data: config_definitions.DataConfig, steps: int, fraction: float = 0.0) -> str:
    """Returns JSON that identifies the data of a run by content, so that files can be moved.

    Args:
      data: the files or the TFDS data set.
      steps: the number of batches, or -1 for all.
      fraction: the fraction of the files that is held out from training; 0.0 for whole files.
    """
    identity = {"examples": steps * data.global_batch_size} if steps != -1 else {}
    if fraction:
        identity["fraction"] = fraction
    if data.tfds_name:
        identity |= {"tfds": data.tfds_name, "split": data.tfds_split}
    digests = {}
    for file in _data_files(data.input_path):
        with file.open("rb") as opened:
            digest = hashlib.sha256(opened.read(_DIGEST_BYTES)).hexdigest()
        digests[file.name] = {"bytes": file.stat().st_size, "sha256_of_begin": digest}
    return json.dumps({**identity, "files": digests}, indent=2, sort_keys=True) + "\n"


def _data_files(pattern: str | Sequence[str]) -> list[Path]:
    if isinstance(pattern, str) and (folder := Path(pattern).expanduser()).is_dir():
        return sorted(path for path in folder.rglob("*") if path.is_file())  # GLUE and RACE
    return storage.expand(pattern) if pattern else []


def evaluates_same(path: Path, data: str) -> bool:
    """Whether the run in a folder, if it has been evaluated, was evaluated on the same data."""
    file = path / EVALUATED
    return not file.is_file() or file.read_text(encoding="utf-8") == data


def check_same(path: Path, config: AlbertConfig, extra_files: Mapping[str, Path | str]) -> None:
    """Checks that the checkpoints in a folder, if there are any, are of the same experiment.

    Args:
      path: the folder, which need not exist.
      config: config of the model.
      extra_files: see `prepare`.

    Raises:
      InputError: the folder belongs to a run with another model, vocabulary or task.
    """
    different = []
    if find_prefix(path) is None:  # Nothing was trained, so a corrected command may start here.
        return
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
    write_text(path, f"# albert_tf {__version__}\n{text}")


def write_text(path: Path, text: str) -> None:
    """Writes a text file; readers see the old file or the new one."""
    with files.replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _content(source: Path | str) -> bytes:
    return source.encode() if isinstance(source, str) else source.read_bytes()
