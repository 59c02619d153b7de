"""Reads and writes added tokens in the tokenizer files of Hugging Face folders."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import sentencepiece

from albert_tf.errors import InputError
from albert_tf.files import read_json
from albert_tf.tokenization.added_tokens import (
    FLAGS,
    SPECIAL,
    AddedToken,
    check,
    parse,
    with_special,
)

FILE, SPECIAL_FILE, _FAST_FILE = "added_tokens.json", "special_tokens_map.json", "tokenizer.json"
DECODER = "added_tokens_decoder"  # A key of tokenizer_config.json.
# The keys of special tokens, in the order in which transformers adds those that have no id.
_KEYS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_MORE = "additional_special_tokens"


def read(
    folder: Path,
    config: Mapping[str, Any],
    load: Callable[[], sentencepiece.SentencePieceProcessor],
    special_pieces: Mapping[str, int] = SPECIAL,
) -> tuple[AddedToken, ...]:
    """Returns the added tokens of a Hugging Face folder, without the special pieces.

    Args:
      folder: the folder.
      config: the contents of its tokenizer_config.json.
      load: returns the vocabulary of the folder; called only if there are added tokens.
      special_pieces: the ids of the special pieces.

    Raises:
      InputError: a file is damaged, or the tokens do not extend the pieces.
    """
    special = _special_tokens(folder, config)
    found = _with_ids(folder, config)
    tokens = [_token({**special.get(v["content"], {}), **v}, special) for v in found]
    listed = {token.content for token in tokens}
    rest = [
        values for content, values in special.items() if content not in {*listed, *special_pieces}
    ]
    tokens = [t for t in tokens if special_pieces.get(t.content) != t.id]
    if not tokens and not rest:
        return ()
    processor = load()
    for values in rest:
        index = processor.piece_to_id(values["content"])
        if processor.id_to_piece(index) != values["content"]:
            index = max(processor.get_piece_size(), *(token.id + 1 for token in tokens), 0)
        tokens.append(_token({**values, "id": index}, special))
    result = parse(tokens)
    check(result, processor, f"'{folder}'")
    return result


def to_files(
    tokens: Sequence[AddedToken],
    config: dict[str, Any],
    special_map: dict[str, Any],
    special_pieces: Mapping[str, int] = SPECIAL,
) -> dict[str, int]:
    """Returns the contents of added_tokens.json, and adds the tokens to those of two other files.

    Args:
      tokens: the added tokens.
      config: the contents of tokenizer_config.json.
      special_map: the contents of special_tokens_map.json.
      special_pieces: the ids of the special pieces.
    """
    decoder = {}
    for token in with_special(tokens, special_pieces):
        values = dataclasses.asdict(token)
        decoder[str(values.pop("id"))] = values
    special_map[_MORE] = [token.content for token in tokens if token.special]
    config |= {DECODER: decoder, _MORE: special_map[_MORE]}
    return {token.content: token.id for token in tokens}


def _token(values: Mapping[str, Any], special: Mapping[str, Any]) -> AddedToken:
    """Returns the token of an object; other keys, such as "__type", are not flags."""
    values = {key: values[key] for key in ("id", "content", *FLAGS) if key in values}
    if values["content"] in special:
        values["special"] = True
    return AddedToken(**{"normalized": values.get("special") is not True, **values})


def _with_ids(folder: Path, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the objects of all tokens that the files give an id."""
    found = []
    decoder = config.get(DECODER)
    if decoder is not None:
        if not isinstance(decoder, dict) or not all(map(str.isdecimal, decoder)):
            raise _invalid(f"{DECODER} must be an object with ids as keys", decoder, folder)
        found += [{**_object(v, folder), "id": int(key)} for key, v in decoder.items()]
    elif (folder / _FAST_FILE).is_file():
        listed = read_json(folder / _FAST_FILE, "A tokenizer").get("added_tokens") or []
        if not isinstance(listed, list) or not all(
            isinstance(value, dict) and "id" in value for value in listed
        ):
            raise _invalid("added_tokens must be a list of objects with ids", listed, folder)
        found += [_object(value, folder) for value in listed]
    if (folder / FILE).is_file():
        known = {value["content"]: value["id"] for value in found}
        pairs = read_json(folder / FILE, "A file of added tokens").items()
        found += [
            {"content": text, "id": index}
            for text, index in pairs
            if text not in known or known[text] != index
        ]
    return found


def _special_tokens(folder: Path, config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns the objects of the special tokens that the files name, by text."""
    file = folder / SPECIAL_FILE
    named = read_json(file, "A map of special tokens") if file.is_file() else {}
    special: dict[str, dict[str, Any]] = {}
    for values in (config, named):
        more = values.get(_MORE) or []
        if not isinstance(more, list):
            raise _invalid(f"{_MORE} must be a list", more, folder)
        for value in (*(values[key] for key in _KEYS if values.get(key)), *more):
            value = _object({"content": value} if isinstance(value, str) else value, folder)
            special.setdefault(value["content"], value)
    return special


def _object(value: Any, folder: Path) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("content"), str):
        raise _invalid("A token must be text, or an object with its content", value, folder)
    return value


def _invalid(rule: str, received: Any, folder: Path) -> InputError:
    return InputError(
        f"{rule}. Received {received!r:.80} in the tokenizer files of '{folder}'. Correct it, or "
        "copy the files again."
    )
