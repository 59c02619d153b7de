"""Finds and copies the vocabulary in a folder, with its preprocessing settings.

A vocabulary is a SentencePiece model (*.model) or a WordPiece vocabulary (vocab.txt).
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import sentencepiece

from albert_tf import sources
from albert_tf.errors import InputError
from albert_tf.files import read_json
from albert_tf.tokenization import (
    added_token_files,
    special_ids,
    tokenizer_json,
    wordpiece_file,
)
from albert_tf.tokenization.settings import Preprocessing, path_beside
from albert_tf.tokenization.wordpiece import WordPiece

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
    """Returns the vocabulary file of a source.

    A folder may be one that `AlbertTokenizer.save` wrote, an export (with the file in assets/), a
    release of the original code (30k-clean.model, vocab_chinese.txt) or a Hugging Face folder
    (spiece.model or vocab.txt, settings in tokenizer_config.json, rules "hugging_face").

    Args:
      source: the vocabulary file, a folder, a checkpoint in it, a handle, or the name of a released
        model (see `sources`).

    Raises:
      InputError: the source does not exist, or it has no vocabulary or several.
    """
    path = sources.resolve(source)
    if path.is_file() and path.suffix != ".index":
        return path
    return _in_folder(path if path.is_dir() else path.parent)


def _in_folder(folder: Path) -> Path:
    expected = (
        "a folder with one *.model file, or with vocab.txt, at the top level or in assets/, such "
        "as one that AlbertTokenizer.save wrote, an export, or a Hugging Face folder"
    )
    for place in (folder, folder / "assets"):
        if (model_file := find_model_file(place)) is not None:
            return model_file
    raise InputError(
        f"A tokenizer folder must be {expected}. Received '{folder}', which has no *.model file "
        "and no vocab.txt. Use another folder, or name the file."
    )


def load(
    model_file: Path, settings: Preprocessing | None = None
) -> sentencepiece.SentencePieceProcessor | WordPiece:
    """Returns the vocabulary in a file.

    Args:
      model_file: the file.
      settings: the rules for text, which belong to a WordPiece vocabulary.

    Raises:
      InputError: the file is missing, or not a vocabulary.
    """
    if wordpiece_file.is_wordpiece(model_file):
        return WordPiece(wordpiece_file.read(model_file), settings or Preprocessing())
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
    if wordpiece_file.is_wordpiece(model_file):
        return _bert_settings(model_file, values)
    return Preprocessing(
        lower_case=values.get("do_lower_case", True),
        keep_accents=values.get("keep_accents", False),
        rules="hugging_face",
        added_tokens=added_token_files.read(folder, values, lambda: load(model_file)),
    )


def _bert_settings(model_file: Path, values: dict[str, Any]) -> Preprocessing:
    """Returns the settings of a BertTokenizer, given the contents of its tokenizer_config.json."""
    folder = model_file.parent
    values = wordpiece_file.settings(folder) | values
    lower_case, strip_accents = values.get("do_lower_case", True), values.get("strip_accents")
    if strip_accents not in (True, False, None) or type(strip_accents) is int:
        raise InputError(
            "strip_accents must be true, false or null. Received "
            f"{strip_accents!r:.80} in '{folder}'. Correct it."
        )
    for name, expected in (("do_basic_tokenize", True), ("never_split", None)):
        if values.get(name) not in (expected, None, []):
            raise InputError(
                f"{name} of a BertTokenizer must be {json.dumps(expected)}. Received "
                f"{values[name]!r:.80} in '{folder / TOKENIZER_CONFIG}'. Remove it; a text that is "
                "one token goes into additional_special_tokens."
            )
    processor = load(model_file)
    special = special_ids.read(processor, f"'{model_file}'", special_ids.WORDPIECE)
    pieces = dict(zip(special_ids.WORDPIECE, special))
    return Preprocessing(
        lower_case=lower_case,
        keep_accents=not lower_case if strip_accents is None else strip_accents is False,
        rules="hugging_face",
        added_tokens=added_token_files.read(folder, values, lambda: processor, pieces),
        tokenize_chinese_chars=values.get("tokenize_chinese_chars", True),
    )


def find_model_file(folder: Path) -> Path | None:
    """Returns the vocabulary file in a folder, or one made of its tokenizer.json; or None.

    With a SentencePiece model and a WordPiece vocabulary, tokenizer_config.json decides.

    Raises:
      InputError: there are several, and none has a known name, or tokenizer.json is damaged.
    """
    model_file, wordpiece = _sentencepiece_model(folder), wordpiece_file.find(folder)
    if model_file is None and wordpiece is None:
        return wordpiece_file.find_fast(folder) or tokenizer_json.model_file(folder)
    if model_file is None or wordpiece is None:
        return model_file or wordpiece
    config = folder / TOKENIZER_CONFIG
    named = read_json(config, "A tokenizer config") if config.is_file() else {}
    kind = str(named.get("tokenizer_class", ""))
    if kind.startswith(("Albert", "Bert")):
        return wordpiece if kind.startswith("Bert") else model_file
    raise InputError(
        "A folder must hold one vocabulary, or name its tokenizer_class in tokenizer_config.json. "
        f"Received '{folder}' with {model_file.name} (SentencePiece) and {wordpiece.name} "
        "(WordPiece). Remove the one that the model was not trained with."
    )


def _sentencepiece_model(folder: Path) -> Path | None:
    for name in _KNOWN:
        if (folder / name).is_file():
            return folder / name
    files = sorted(folder.glob("*.model"))
    if len(files) > 1:
        raise InputError(
            f"A folder must hold one SentencePiece model, or one named {' or '.join(_KNOWN)}. "
            f"Received '{folder}' with {', '.join(file.name for file in files)}. Name the file."
        )
    return files[0] if files else None


def find_preprocessing(model_file: Path | None) -> Preprocessing | None:
    """Returns the settings of a vocabulary, or None without one.

    They are those of the file beside it, or of its Hugging Face folder, or those of the released
    models. A Hugging Face folder has spiece.model or tokenizer_config.json, and one with vocab.txt
    has one of the files of transformers.
    """
    if model_file is None:
        return None
    path = path_beside(model_file)
    if path.is_file():
        values = read_json(path, "A preprocessing description")
        if wordpiece_file.is_wordpiece(model_file) and values.get("lower_case") is False:
            values.setdefault("keep_accents", True)  # As in the original.
        return Preprocessing.from_dict(values)
    files = [TOKENIZER_CONFIG]
    if wordpiece_file.is_wordpiece(model_file):
        files += [wordpiece_file.FAST_NAME, "config.json"]
    if model_file.name == HUGGING_FACE_NAME or any(
        (model_file.parent / name).is_file() for name in files
    ):
        return hugging_face_settings(model_file)
    return Preprocessing()


def max_length(model_file: Path) -> int | None:
    """Returns the maximum length of a row of the model beside a vocabulary, or None."""
    for name, key in _LENGTHS:
        file = model_file.parent / name
        if file.is_file():
            try:
                length = read_json(file, "A config").get(key)
            except InputError:  # What needs the file says so; a tokenizer does not.
                continue
            # transformers writes 10^30 for a length that it does not know.
            if type(length) is int and 0 < length < 10**9:
                return length
    return None


def settings(model_file: Path, given: dict[str, Any]) -> Preprocessing:
    """Returns the settings of a vocabulary with those that are given in place of its own.

    Args:
      model_file: the vocabulary.
      given: values by name; None for that of the vocabulary. Without lower case, WordPiece keeps
        accents by default, as in the original.

    Raises:
      InputError: a value contradicts a settings file beside the vocabulary.
    """
    given = {key: value for key, value in given.items() if value is not None}
    own = find_preprocessing(model_file)
    cased = given.get("lower_case") is False and own.lower_case
    if cased and wordpiece_file.is_wordpiece(model_file):
        given.setdefault("keep_accents", True)
    wanted = dataclasses.replace(own, **given)
    stored = path_beside(model_file)
    if stored.exists():
        own.check_same(wanted, f"'{stored}'", "the arguments of AlbertTokenizer")
    return wanted


def saved_name(model_file: Path) -> str:
    """Returns the name of a vocabulary in a folder that this package writes.

    A SentencePiece model ends in .model, but KerasHub names it *.spm. The pieces in a
    tokenizer.json go to vocab.txt.
    """
    if model_file.name == wordpiece_file.FAST_NAME:
        return wordpiece_file.NAMES[0]
    is_wordpiece = wordpiece_file.is_wordpiece(model_file)
    return model_file.name if is_wordpiece else model_file.with_suffix(".model").name


def of_folder(model_file: Path, preprocessing: Preprocessing) -> dict[str, Path | str]:
    """Returns the files with which a folder has this tokenizer: a path to copy, and text."""
    settings = json.dumps(preprocessing.to_dict(), indent=2) + "\n"
    name = model_file.name
    content: Path | str = model_file
    if name == wordpiece_file.FAST_NAME:
        name, content = saved_name(model_file), load(model_file).serialized_model_proto().decode()
    return {name: content, path_beside(name).name: settings}


def copy(model_file: Path, preprocessing: Preprocessing | None, folder: Path) -> None:
    """Copies a vocabulary with its settings, and a SentencePiece model with its list of pieces.

    Args:
      model_file: the vocabulary; a .vocab file beside it is copied too.
      preprocessing: the settings to write; None for those of the released models.
      folder: the destination.
    """
    target = folder / saved_name(model_file)
    if target.suffix == ".txt":
        target.write_bytes(load(model_file).serialized_model_proto())
    else:
        shutil.copyfile(model_file, target)
    listing = model_file.with_suffix(".vocab")
    if listing.is_file():
        shutil.copyfile(listing, target.with_suffix(".vocab"))
    (preprocessing or Preprocessing()).to_json_file(path_beside(target))
