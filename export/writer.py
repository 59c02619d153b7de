"""Writes an artefact: its folder and version, its assets, and the call of `tf.saved_model.save`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.files import new_directory
from albert_tf.tokenization.settings import path_beside
from albert_tf.tokenization.tokenizer import AlbertTokenizer

from . import manifest, model_card, warmup

WHAT = "The export directory"
NEXT = "next"


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


def version_folder(base: str | os.PathLike, version: str = NEXT) -> Path:
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


def write_assets(folder: Path, tokenizer: AlbertTokenizer, config: AlbertConfig) -> dict[str, Path]:
    """Writes the files and returns them by the attribute of the module that holds them.

    - `sp_model_file`: the SentencePiece model, under its own name;
    - `vocab_listing`: its pieces and scores, for people; as SentencePiece writes it;
    - `preprocess_description`: how text is prepared, where `AlbertTokenizer` finds it;
    - `albert_config`: albert_config.json, as in the releases.
    """
    model_file = tokenizer.save(folder)
    listing = model_file.with_suffix(".vocab")
    listing.write_text(_listing(tokenizer), encoding="utf-8")
    config_file = folder / "albert_config.json"
    config.to_json_file(config_file)
    return {
        "sp_model_file": model_file,
        "vocab_listing": listing,
        "preprocess_description": path_beside(model_file),
        "albert_config": config_file,
    }


def _listing(tokenizer: AlbertTokenizer) -> str:
    score = tokenizer.processor.get_score
    return "".join(f"{piece}\t{score(i):g}\n" for i, piece in enumerate(tokenizer.pieces))
