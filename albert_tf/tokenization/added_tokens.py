"""Added tokens: texts that are one token each, wherever they occur, such as "<e1>" or "[MASK]".

Most were added to a vocabulary after SentencePiece trained it, and have the ids that follow its
pieces. Under the "hugging_face" rules, the special pieces of ALBERT are such texts too. A text is
split at them before it is normalised, as the slow tokenizer of transformers 4 does.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import sentencepiece

from albert_tf.errors import InputError, closest
from albert_tf.files import read_json
from albert_tf.tokenization.special_ids import PIECES

SPECIAL = {piece: index for index, piece in enumerate(PIECES)}  # In a SentencePiece model.
_FLAGS = ("special", "lstrip", "rstrip", "normalized", "single_word")


@dataclasses.dataclass(frozen=True)
class AddedToken:
    """A text that is one token.

    Attributes:
      id: the id.
      content: the text.
      special: whether decoding leaves the token out by default.
      lstrip: whether the token takes the white space before it, which is no token in any case.
      rstrip: as `lstrip`, for the white space after it.
      normalized: with lower-casing, a token that is neither special nor normalized is looked for
        in text that is lower-cased already, so that upper case in its content never matches.
      single_word: whether the text is a token only if spaces, or the ends of the text, enclose it.
    """

    id: int
    content: str
    special: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = True
    single_word: bool = False

    def __post_init__(self) -> None:
        """Raises `InputError` for the first invalid value."""
        if type(self.id) is not int or not 0 <= self.id < 2**31:
            raise InputError(
                f"The id of an added token must be an integer from 0. Received {self.id!r:.80} for "
                f"{self.content!r:.80}. Correct it."
            )
        content = self.content
        if not isinstance(content, str) or not content or re.search("[\0\ud800-\udfff]", content):
            raise InputError(
                "An added token must be text of one or more characters, without NUL and "
                f"surrogates. Received {content!r:.80} with the id {self.id}. Correct or remove it."
            )
        for name in _FLAGS:
            if type(getattr(self, name)) is not bool:
                raise InputError(
                    f"{name} of an added token must be true or false. Received "
                    f"{getattr(self, name)!r:.80} for {content!r:.80}. Correct it."
                )


def parse(values: Any) -> tuple[AddedToken, ...]:
    """Returns the tokens of a list of `AddedToken` or of their JSON objects, ordered by id.

    Raises:
      InputError: this is not such a list, or an id or a text occurs twice.
    """
    if not isinstance(values, (list, tuple)):
        raise InputError(
            f"added_tokens must be a list of objects. Received {values!r:.80}. Correct it."
        )
    tokens = sorted(map(_parsed, values), key=lambda token: token.id)
    for name in ("id", "content"):
        seen: dict[Any, AddedToken] = {}
        for token in tokens:
            other = seen.setdefault(getattr(token, name), token)
            if other is not token:
                raise InputError(
                    f"Added tokens must differ in id and in text. Received {other.content!r:.80} "
                    f"with the id {other.id} and {token.content!r:.80} with the id {token.id}. "
                    "Remove one of them."
                )
    return tuple(tokens)


def _parsed(value: Any) -> AddedToken:
    if isinstance(value, AddedToken):
        return value
    fields = [field.name for field in dataclasses.fields(AddedToken)]
    if not isinstance(value, Mapping) or not {"id", "content"} <= value.keys():
        raise InputError(
            "An added token must be an object with an id and a content. "
            f"Received {value!r:.80}. Correct it."
        )
    for key in value:
        if key not in fields:
            raise InputError(
                f"An added token must have known keys only. Received {key!r:.80} for "
                f"{value['content']!r:.80}. {closest(key, fields)}"
            )
    return AddedToken(**value)


def check(
    tokens: Sequence[AddedToken], processor: sentencepiece.SentencePieceProcessor, name: str
) -> None:
    """Checks that added tokens extend the pieces of a model without gaps.

    A token may also have the id of a piece with the same text.

    Args:
      tokens: ordered by id.
      processor: the model.
      name: identifies the model in the error message.

    Raises:
      InputError: an id belongs to another piece, a piece has another id, or an id is left out.
    """
    size = processor.get_piece_size()
    following = size
    for token in tokens:
        received = f"Received {token.content!r:.80} with the id {token.id} for the {size} pieces of"
        if token.id < size:
            piece = processor.id_to_piece(token.id)
            if piece != token.content:
                raise InputError(
                    "Added tokens must have ids of their own, after those of the SentencePiece "
                    f"pieces. {received} {name}, where that id is {piece!r}. Correct the id."
                )
            continue
        # piece_to_id returns the id of <unk> for a text that is no piece.
        own = processor.piece_to_id(token.content)
        if processor.id_to_piece(own) == token.content:
            raise InputError(
                f"A piece and an added token must not have the same text. {received} {name}, where "
                f"it is the piece {own}. Remove the token, or give it the id of the piece."
            )
        if token.id != following:
            raise InputError(
                "The ids of added tokens must follow those of the SentencePiece pieces without "
                f"gaps. {received} {name}, where the next id is {following}. Add the tokens that "
                "are missing, or correct the ids."
            )
        following += 1


class Matcher:
    """Finds tokens in texts.

    With lower-casing, transformers first lowers everything except the tokens that are special or
    normalized, and then looks for tokens. So lower-case tokens match text of any case, and "<UNK>"
    is "<unk>". The expression says the same about text that is not lowered yet. Where several
    tokens begin, the longest matches.

    Args:
      tokens: the tokens.
      lower_case: whether text is lower-cased.

    Attributes:
      pattern: matches each token; for Python's `re` and RE2.
      ids: the ids by text, which is that of the match or, if that is not a key, its lower case.
      single_words: the ids of the tokens that must stand alone.
    """

    def __init__(self, tokens: Sequence[AddedToken], lower_case: bool) -> None:
        self.ids: dict[str, int] = {}
        self.single_words = {token.id for token in tokens if token.single_word}
        alternatives = []
        for token in tokens:
            any_case = lower_case and lower_each(token.content) == token.content
            if lower_case and not (any_case or token.special or token.normalized):
                continue
            self.ids[token.content] = token.id
            text = "".join(map(_any_case if any_case else re.escape, token.content))
            alternatives.append((-len(token.content), any_case, text))
        self.pattern = "|".join(text for *_, text in sorted(alternatives))
        self._expression = re.compile(self.pattern)

    def split(self, text: str) -> list[tuple[str, int, int | None]]:
        """Splits a text at its tokens.

        Returns:
          All parts, where each begins, and the ids of those that are tokens.
        """
        parts: list[tuple[str, int, int | None]] = []
        done = 0
        for match in self._expression.finditer(text):
            begin, end = match.span()
            found = match.group()
            index = self.ids[found if found in self.ids else lower_each(found)]
            around = {text[begin - 1 : begin], text[end : end + 1]}
            if index in self.single_words and not around <= {"", " "}:
                continue
            if done < begin:
                parts.append((text[done:begin], done, None))
            parts.append((found, begin, index))
            done = end
        if done < len(text):
            parts.append((text[done:], done, None))
        return parts


def with_special(
    tokens: Sequence[AddedToken], special_pieces: Mapping[str, int] = SPECIAL
) -> tuple[AddedToken, ...]:
    """Returns the tokens together with the special pieces, with the flags of transformers.

    Args:
      tokens: the added tokens.
      special_pieces: the ids of the special pieces; those of a SentencePiece model by default.
    """
    texts = {token.content for token in tokens}
    # Of BERT's special tokens, none takes white space.
    strips = "[MASK]" if special_pieces.keys() == SPECIAL.keys() else None
    special = [
        AddedToken(i, piece, special=True, lstrip=piece == strips, normalized=False)
        for piece, i in special_pieces.items()
        if piece not in texts
    ]
    return (*special, *tokens)


def lower_each(text: str) -> str:
    """Lowers one character at a time; only the lower case of sigma depends on its neighbours."""
    return text.replace("Σ", "σ").lower()


def _any_case(character: str) -> str:
    upper = _upper_cases().get(character)
    return f"[{character}{upper}]" if upper else re.escape(character)


@functools.cache
def _upper_cases() -> dict[str, str]:
    """Returns the characters that become each lower-case character, such as "K" and "K" for k."""
    table: dict[str, str] = defaultdict(str)
    for character in map(chr, range(0x20000)):
        if (lowered := character.lower()) != character:
            table[lowered] += character
    return dict(table)


# === Hugging Face folders ===

FILE, SPECIAL_FILE, _FAST_FILE = "added_tokens.json", "special_tokens_map.json", "tokenizer.json"
_DECODER = "added_tokens_decoder"  # A key of tokenizer_config.json.
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
    config |= {_DECODER: decoder, _MORE: special_map[_MORE]}
    return {token.content: token.id for token in tokens}


def _token(values: Mapping[str, Any], special: Mapping[str, Any]) -> AddedToken:
    """Returns the token of an object; other keys, such as "__type", are not flags."""
    values = {key: values[key] for key in ("id", "content", *_FLAGS) if key in values}
    if values["content"] in special:
        values["special"] = True
    return AddedToken(**{"normalized": values.get("special") is not True, **values})


def _with_ids(folder: Path, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the objects of all tokens that the files give an id."""
    found = []
    decoder = config.get(_DECODER)
    if decoder is not None:
        if not isinstance(decoder, dict) or not all(map(str.isdecimal, decoder)):
            raise _invalid(f"{_DECODER} must be an object with ids as keys", decoder, folder)
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
