"""Reads WordPiece vocabularies: a vocab.txt, or the tokenizer.json of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from albert_tf.errors import InputError
from albert_tf.files import read_json
from albert_tf.tokenization.settings import path_beside
from albert_tf.tokenization.wordpiece import CONTINUES, MAX_CHARACTERS, UNKNOWN

NAMES = ("vocab.txt", "vocab_chinese.txt")  # As of BERT and transformers, and as released.
FAST_NAME = "tokenizer.json"
# What must be so in the model of a tokenizer.json.
_FIXED = {
    "unk_token": UNKNOWN,
    "continuing_subword_prefix": CONTINUES,
    "max_input_chars_per_word": MAX_CHARACTERS["hugging_face"],
}


def is_wordpiece(path: Path) -> bool:
    """Returns whether a vocabulary file is WordPiece; the others are SentencePiece models."""
    return path.suffix == ".txt" or (path.name == FAST_NAME and _model(path) is not None)


def find(folder: Path) -> Path | None:
    """Returns the vocab.txt of a folder, or None.

    It has a known name, or settings beside it, as `AlbertTokenizer.save` writes them.

    Raises:
      InputError: there are several.
    """
    files = [
        file
        for file in sorted(folder.glob("*.txt"))
        if file.name in NAMES or path_beside(file).is_file()
    ]
    if len(files) > 1:
        raise InputError(
            "A folder must hold one WordPiece vocabulary. Received "
            f"'{folder}' with {', '.join(file.name for file in files)}. Name the file."
        )
    return files[0] if files else None


def find_fast(folder: Path) -> Path | None:
    """Returns the tokenizer.json of a folder, if it is of WordPiece, or None."""
    path = folder / FAST_NAME
    return path if path.is_file() and is_wordpiece(path) else None


def read(path: Path) -> list[str]:
    """Returns the piece of every id.

    Lines may end as in Windows, and a byte order mark is no part of the first piece.

    Raises:
      InputError: the file is missing, empty or not UTF-8, a line is blank or has several words, or
        a piece occurs twice.
    """
    return _of_lines(path) if path.name != FAST_NAME else _of_json(path)


def _of_lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"A WordPiece vocabulary must be text in UTF-8. Received '{path}', where byte "
            f"{error.start} is not. Convert it, or copy the file again."
        ) from error
    except OSError as error:
        raise InputError(
            "A WordPiece vocabulary must be a readable file. "
            f"Received '{path}': {error.strerror}. Check the path."
        ) from error
    pieces = [line.removesuffix("\r") for line in text.rstrip("\r\n").split("\n")]
    seen: dict[str, int] = {}
    for number, piece in enumerate(pieces, start=1):
        if not piece or " " in piece or "\t" in piece:
            raise InputError(
                "A WordPiece vocabulary must have one piece on each line. Received "
                f"{piece!r:.80} in line {number} of '{path}'. Correct the line."
            )
        if (first := seen.setdefault(piece, number)) != number:
            raise InputError(
                "The pieces of a WordPiece vocabulary must differ. Received "
                f"{piece!r:.80} in lines {first} and {number} of '{path}'. Give the one that the "
                "model does not use another name, such as [unused1]."
            )
    return pieces


def _model(path: Path) -> dict[str, Any] | None:
    """Returns the WordPiece model in a tokenizer.json, or None."""
    model = read_json(path, "A tokenizer").get("model")
    return model if isinstance(model, dict) and model.get("type") == "WordPiece" else None


def settings(folder: Path) -> dict[str, Any]:
    """Returns the settings in the tokenizer.json of a folder, as tokenizer_config.json names them.

    Raises:
      InputError: they are not those of a BertTokenizer.
    """
    path = folder / FAST_NAME
    if not path.is_file() or _model(path) is None:
        return {}
    normalizer = read_json(path, "A tokenizer").get("normalizer")
    if not isinstance(normalizer, dict) or normalizer.get("type") != "BertNormalizer":
        raise _unlike_bert(
            "the normalizer", "a BertNormalizer", normalizer or "no normalizer", path
        )
    if normalizer.get("clean_text", True) is not True:
        raise _unlike_bert("clean_text", "true", normalizer["clean_text"], path)
    names = dict(lowercase="do_lower_case", strip_accents="strip_accents")
    names["handle_chinese_chars"] = "tokenize_chinese_chars"
    return {names[key]: value for key, value in normalizer.items() if key in names}


def _of_json(path: Path) -> list[str]:
    model = _model(path) or {}
    for name, expected in _FIXED.items():
        if model.get(name, expected) != expected:
            raise _unlike_bert(name, repr(expected), model[name], path)
    vocabulary = model.get("vocab")
    ids = list(vocabulary.values()) if isinstance(vocabulary, dict) else []
    if not ids or set(map(type, ids)) != {int} or sorted(ids) != list(range(len(ids))):
        raise _unlike_bert("vocab", "pieces with the ids from 0 without gaps", vocabulary, path)
    return sorted(vocabulary, key=vocabulary.get)


def _unlike_bert(name: str, expected: str, received: Any, path: Path) -> InputError:
    return InputError(
        f"In a tokenizer.json of WordPiece, {name} must be {expected}, as in that of "
        f"BertTokenizer. Received {received!r:.80} in '{path}'. Pass the vocab.txt of the model."
    )
