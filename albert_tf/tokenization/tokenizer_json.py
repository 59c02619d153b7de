"""Makes a SentencePiece model of tokenizer.json, for folders of transformers 5 without a model.

The file has the pieces of the original model with their scores, and its table of normalization. A
piece with the score 0 is one that the user defined, as the logarithm of no probability is that.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sentencepiece

from albert_tf.errors import InputError
from albert_tf.files import read_json
from albert_tf.tokenization import added_token_files, model_proto
from albert_tf.tokenization.special_ids import PIECES

FILE = "tokenizer.json"
_CONFIG = "tokenizer_config.json"
_OTHERS = (added_token_files.FILE, added_token_files.SPECIAL_FILE, "spiece.preprocess.json")


def model_file(folder: Path) -> Path | None:
    """Returns a SentencePiece model of the pieces in a folder's tokenizer.json; None without any.

    It is named spiece.model, in a folder with the settings of the tokenizer that is removed when
    the process ends.

    Raises:
      InputError: a file is damaged.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    values = read_json(file, "A tokenizer")
    model = values.get("model")
    is_unigram = isinstance(model, dict) and model.get("type", "Unigram") == "Unigram"
    if not is_unigram or not isinstance(model.get("vocab"), list) or model.get("byte_fallback"):
        return None
    contents = {name: (folder / name).read_bytes() for name in _OTHERS if (folder / name).is_file()}
    contents["spiece.model"] = _proto(values, file)
    contents[_CONFIG] = json.dumps(_config(values, folder)).encode()
    return Path(_written(tuple(contents.items())).name, "spiece.model")


@functools.cache
def _written(contents: tuple[tuple[str, bytes], ...]) -> tempfile.TemporaryDirectory:
    """Returns a temporary folder with files; the cache keeps it until the process ends."""
    folder = tempfile.TemporaryDirectory(prefix="tokenizer-")
    for name, content in contents:
        Path(folder.name, name).write_bytes(content)
    return folder


def _proto(values: Mapping[str, Any], file: Path) -> bytes:
    pieces = values["model"]["vocab"]
    try:
        pieces = [(text.encode(), float(score)) for text, score in pieces]
        if not all(math.isfinite(score) for _, score in pieces):
            raise ValueError("a score is not finite")
        maps = [normalizer["precompiled_charsmap"] for normalizer in _precompiled(values)]
        charsmap = base64.b64decode(maps[0], validate=True) if maps else b""
        proto = model_proto.of_pieces(
            [(text, score, _kind(text.decode(), score)) for text, score in pieces], charsmap
        )
        sentencepiece.SentencePieceProcessor().LoadFromSerializedProto(proto)
    except (
        ValueError, TypeError, AttributeError, KeyError, OverflowError, RuntimeError,
        binascii.Error,
    ) as error:  # fmt: skip
        raise InputError(
            "The model of a tokenizer must be a list of pieces and scores, with a table of "
            f"normalization. Received '{file}': {type(error).__name__} {str(error)[:80]}. "
            "Download it again, or add spiece.model."
        ) from error
    return proto


def _kind(text: str, score: float) -> int:
    if text == "<unk>":
        return model_proto.UNKNOWN
    if text in PIECES:
        return model_proto.CONTROL
    return model_proto.USER_DEFINED if score == 0 else model_proto.NORMAL


def _normalizers(values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields the steps of normalization in order."""
    given = values.get("normalizer") or {}
    steps = given.get("normalizers", [given]) if isinstance(given, dict) else []
    yield from (step for step in steps if isinstance(step, dict))


def _precompiled(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [step for step in _normalizers(values) if step.get("type") == "Precompiled"]


def _config(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Returns the tokenizer config of a folder, with what tokenizer.json adds to it."""
    path = folder / _CONFIG
    config = read_json(path, "A tokenizer config") if path.is_file() else {}
    steps = {step.get("type") for step in _normalizers(values)}
    known = {"do_lower_case": "Lowercase" in steps, "keep_accents": "StripAccents" not in steps}
    # Pieces are listed as well, which SentencePiece finds itself.
    size, listed = len(values["model"]["vocab"]), values.get("added_tokens") or []
    if not isinstance(listed, list) or not all(
        isinstance(token, dict) and type(token.get("id")) is int for token in listed
    ):
        raise InputError(
            "added_tokens must be a list of objects with ids. Received "
            f"{listed!r:.80} in '{folder / FILE}'. Download it again."
        )
    known[added_token_files.DECODER] = {
        str(token["id"]): {name: value for name, value in token.items() if name != "id"}
        for token in listed
        if token["id"] >= size
    }
    return {**known, **config}
