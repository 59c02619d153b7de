"""The SentencePiece model that lies with weights, and the preprocessing settings beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

from albert_tf.convert.source import Source
from albert_tf.errors import InputError
from albert_tf.tokenization.settings import Preprocessing, path_beside

# As released by Google, in Hugging Face folders, and in KerasHub presets.
_KNOWN = ("30k-clean.model", "spiece.model", "assets/tokenizer/vocabulary.spm")


def find_model_file(folder: Path) -> Path | None:
    """Returns the SentencePiece model of a folder, or None.

    Raises:
      InputError: there are several, none of a known name.
    """
    for name in _KNOWN:
        if (folder / name).is_file():
            return folder / name
    files = sorted(folder.glob("*.model"))
    if len(files) > 1:
        raise InputError(
            "A folder must hold at most one SentencePiece model, or one of the known names "
            f"{_KNOWN}. Received '{folder}' with {[file.name for file in files]}. Remove others."
        )
    return files[0] if files else None


def find_preprocessing(model_file: Path | None) -> Preprocessing | None:
    """Returns the settings beside a SentencePiece model; without a file, those of the releases."""
    if model_file is None:
        return None
    path = path_beside(model_file)
    return Preprocessing.from_json_file(path) if path.is_file() else Preprocessing()


def copy_vocabulary(source: Source, folder: Path) -> tuple[str, ...]:
    """Copies the SentencePiece model of a source under its name, with settings; returns notes."""
    if source.model_file is None:
        return ("no SentencePiece model lies with the source: none is written",)
    # KerasHub's name does not say what it is; elsewhere a SentencePiece model ends in .model.
    target = folder / source.model_file.with_suffix(".model").name
    shutil.copyfile(source.model_file, target)
    listing = source.model_file.with_suffix(".vocab")
    if listing.is_file():
        shutil.copyfile(listing, target.with_suffix(".vocab"))
    (source.preprocessing or Preprocessing()).to_json_file(path_beside(target))
    return ()
