"""Added tokens: texts that are one token each, wherever they occur, such as "<e1>" or "[MASK]".

Most were added to a vocabulary after SentencePiece trained it, and have the ids that follow its
pieces. Under the "hugging_face" rules, the special pieces of ALBERT are such texts too. A text is
split at them before it is normalised, as the slow tokenizer of transformers 4 does.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import sentencepiece

from albert_tf.errors import InputError, closest
from albert_tf.tokenization.special_ids import PIECES

SPECIAL = {piece: index for index, piece in enumerate(PIECES)}  # In a SentencePiece model.
FLAGS = ("special", "lstrip", "rstrip", "normalized", "single_word")


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
      single_word: whether the text is a token only as a whole word. Under the rules "original", no
        letter, digit, mark or "_" may be beside it; under "hugging_face", it must be enclosed by
        spaces or the ends of the text.
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
        for name in FLAGS:
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
