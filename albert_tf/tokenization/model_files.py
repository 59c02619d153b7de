"""Finds and copies the SentencePiece model in a folder, with its preprocessing settings."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import sentencepiece

from albert_tf import sources
from albert_tf.errors import InputError
from albert_tf.files import read_json
from albert_tf.tokenization import added_token_files, tokenizer_json
from albert_tf.tokenization.settings import Preprocessing, path_beside

HUGGING_FACE_NAME = "spiece.model"
TOKENIZER_CONFIG = "tokenizer_config.json"
# The files beside a model with its maximum length, and the key.
_LENGTHS = (
    (TOKENIZER_CONFIG, "model_max_length"),
    ("config.json", "max_position_embeddings"),
    ("albert_config.json", "max_position_embeddings"),
)
# As released by Google, in Hugging Face folders, and in KerasHub presets.
_KNOWN = ("30k-clean.model", HUGGING_FACE_NAME, "assets/tokenizer/vocabulary.spm")


def find(source: str | os.PathLike) -> Path:
    """Returns the SentencePiece model of a source.

    A folder may be one that `AlbertTokenizer.save` wrote, an export (with the model in assets/), a
    release of the original code (30k-clean.model) or a Hugging Face folder (spiece.model, settings
    in tokenizer_config.json, rules "hugging_face").

    Args:
      source: the model file, a folder, a checkpoint in it, a handle, or the name of a released
        model (see `sources`).

    Raises:
      InputError: the source does not exist, or it has no model or several.
    """
    path = sources.resolve(source)
    if path.is_file() and path.suffix != ".index":
        return path
    return _in_folder(path if path.is_dir() else path.parent)


def _in_folder(folder: Path) -> Path:
    expected = (
        "a folder with one *.model file at the top level or in assets/, such as one that "
        "AlbertTokenizer.save wrote, an export, or a Hugging Face folder with spiece.model"
    )
    for place in (folder, folder / "assets"):
        if (model_file := find_model_file(place)) is not None:
            return model_file
    raise InputError(
        f"A tokenizer folder must be {expected}. Received '{folder}', which has no *.model file. "
        "Use another folder, or name the model file."
    )


def load(model_file: Path) -> sentencepiece.SentencePieceProcessor:
    """Returns a SentencePiece model.

    Raises:
      InputError: the file is missing or not a SentencePiece model.
    """
    try:
        # Loading from bytes makes an empty file an error too.
        processor = sentencepiece.SentencePieceProcessor()
        processor.LoadFromSerializedProto(model_file.read_bytes())
        processor.id_to_piece(list(range(processor.get_piece_size())))  # They must be UTF-8.
        return processor
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        raise InputError(
            f"A SentencePiece model must be a *.model file written by training. "
            f"Received '{model_file}', which SentencePiece cannot read: {error}"
        ) from error


def hugging_face_settings(model_file: Path) -> Preprocessing:
    """Returns the settings of a Hugging Face folder; those of the library without a config file.

    Args:
      model_file: the model in the folder.

    Raises:
      InputError: a file is not a JSON object, a setting is not true or false, or the added tokens
        do not extend the pieces of the model.
    """
    folder = model_file.parent
    file = folder / TOKENIZER_CONFIG
    values = read_json(file, "A tokenizer config") if file.is_file() else {}
    return Preprocessing(
        lower_case=values.get("do_lower_case", True),
        keep_accents=values.get("keep_accents", False),
        rules="hugging_face",
        added_tokens=added_token_files.read(folder, values, lambda: load(model_file)),
    )


def find_model_file(folder: Path) -> Path | None:
    """Returns the SentencePiece model in a folder, or one made of its tokenizer.json; or None.

    Raises:
      InputError: there are several models and none has a known name, or tokenizer.json is damaged.
    """
    for name in _KNOWN:
        if (folder / name).is_file():
            return folder / name
    files = sorted(folder.glob("*.model"))
    if len(files) > 1:
        raise InputError(
            f"A folder must hold one SentencePiece model, or one named {' or '.join(_KNOWN)}. "
            f"Received '{folder}' with {', '.join(file.name for file in files)}. Name the file."
        )
    return files[0] if files else tokenizer_json.model_file(folder)


def find_preprocessing(model_file: Path | None) -> Preprocessing | None:
    """Returns the settings of a model, or None without a model.

    They are those of the file beside it, or of its Hugging Face folder, or those of the released
    models. A Hugging Face folder has spiece.model or tokenizer_config.json.
    """
    if model_file is None:
        return None
    path = path_beside(model_file)
    if path.is_file():
        return Preprocessing.from_json_file(path)
    if model_file.name == HUGGING_FACE_NAME or (model_file.parent / TOKENIZER_CONFIG).is_file():
        return hugging_face_settings(model_file)
    return Preprocessing()


def max_length(model_file: Path) -> int | None:
    """Returns the maximum length of a row of the model beside a SentencePiece model, or None.

    Raises:
      InputError: a file is not a JSON object.
    """
    for name, key in _LENGTHS:
        file = model_file.parent / name
        if file.is_file():
            length = read_json(file, "A config").get(key)
            # transformers writes 10^30 for a length that it does not know.
            if type(length) is int and 0 < length < 10**9:
                return length
    return None


def of_folder(model_file: Path, preprocessing: Preprocessing) -> dict[str, Path | str]:
    """Returns the files with which a folder has this tokenizer: a path to copy, and text."""
    settings = json.dumps(preprocessing.to_dict(), indent=2) + "\n"
    return {model_file.name: model_file, path_beside(model_file).name: settings}


def copy(model_file: Path, preprocessing: Preprocessing | None, folder: Path) -> None:
    """Copies a SentencePiece model with its list of pieces and its settings, keeping its name.

    Args:
      model_file: the model; a .vocab file beside it is copied too.
      preprocessing: the settings to write; None for those of the released models.
      folder: the destination.
    """
    # KerasHub names the file *.spm; everywhere else a SentencePiece model ends in .model.
    target = folder / model_file.with_suffix(".model").name
    shutil.copyfile(model_file, target)
    listing = model_file.with_suffix(".vocab")
    if listing.is_file():
        shutil.copyfile(listing, target.with_suffix(".vocab"))
    (preprocessing or Preprocessing()).to_json_file(path_beside(target))
