"""The special pieces of ALBERT and the ids that they have in every vocabulary."""

from __future__ import annotations

import re
from typing import NamedTuple

import sentencepiece

from albert_tf.errors import InputError

PIECES = ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")


class SpecialIds(NamedTuple):
    """The ids of `PIECES`, in that order."""

    pad: int
    unk: int
    cls: int
    sep: int
    mask: int


def text_pattern(lower_case: bool) -> str:
    """Returns the expression of what rules "hugging_face" read as a special token in a text.

    With lower-casing, "<UNK>" is one too: that library lowers first and looks for special text
    then, and spares only what is special already. Python's `re` and RE2 both take the expression.
    """
    angled = "<pad>|<unk>"
    return r"\[CLS\]|\[SEP\]|\[MASK\]|" + (f"(?i:{angled})" if lower_case else angled)


def of_text(text: str, lower_case: bool) -> str | None:
    """Returns the special piece that `text` is by `text_pattern`, or None."""
    if not re.fullmatch(text_pattern(lower_case), text):
        return None
    return text if text in PIECES else text.lower()


def read(processor: sentencepiece.SentencePieceProcessor, name: str) -> SpecialIds:
    """Returns the special ids of a model; `name` tells the user which model it is.

    Raises:
      InputError: a special piece is absent or has another id than 0..4.
    """
    found = [processor.piece_to_id(piece) for piece in PIECES]
    # piece_to_id gives the id of <unk> to what it does not know.
    absent = [p for p, i in zip(PIECES, found) if processor.id_to_piece(i) != p]
    if absent or found != list(range(len(PIECES))):
        received = ", ".join(
            f"{piece} {'absent' if piece in absent else index}"
            for piece, index in zip(PIECES, found)
        )
        raise InputError(
            "The special pieces of an ALBERT vocabulary must be <pad> 0, <unk> 1, [CLS] 2, "
            f"[SEP] 3, [MASK] 4. Received {received} in {name}. "
            "Make the vocabulary with `albert-tf vocab`, or use that of a released model."
        )
    return SpecialIds(*found)
