"""The special pieces of ALBERT and their ids, which are the same in every vocabulary."""

from __future__ import annotations

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


def read(processor: sentencepiece.SentencePieceProcessor, name: str) -> SpecialIds:
    """Returns the special ids of a model; `name` identifies the model in the error message.

    Raises:
      InputError: a special piece is absent, or the ids are not 0 to 4 in order.
    """
    ids = [processor.piece_to_id(piece) for piece in PIECES]
    # piece_to_id returns the id of <unk> for a piece that is absent.
    absent = [p for p, i in zip(PIECES, ids) if processor.id_to_piece(i) != p]
    if absent or ids != list(range(len(PIECES))):
        received = ", ".join(
            f"{piece} {'absent' if piece in absent else index}" for piece, index in zip(PIECES, ids)
        )
        raise InputError(
            "The special pieces of an ALBERT vocabulary must be <pad> 0, <unk> 1, [CLS] 2, "
            f"[SEP] 3, [MASK] 4. Received {received} in {name}. "
            "Train the vocabulary with `albert-tf vocab`, or use that of a released model."
        )
    return SpecialIds(*ids)
