"""The special pieces of ALBERT and their ids.

In a SentencePiece model, the ids are 0 to 4. In a WordPiece vocabulary, the pieces have the names
of BERT, and are anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sentencepiece

from albert_tf.errors import InputError

PIECES = ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")
WORDPIECE = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


class SpecialIds(NamedTuple):
    """The ids of `PIECES`, or of `WORDPIECE`, in that order."""

    pad: int
    unk: int
    cls: int
    sep: int
    mask: int


class SpecialTokens:
    """The special ids and pieces of a tokenizer, also by the names of transformers."""

    special_ids: SpecialIds
    pieces: Sequence[str]

    @property
    def pad_id(self) -> int:
        """The id of <pad>."""
        return self.special_ids.pad

    @property
    def unk_id(self) -> int:
        """The id of <unk>."""
        return self.special_ids.unk

    @property
    def cls_id(self) -> int:
        """The id of [CLS]."""
        return self.special_ids.cls

    @property
    def sep_id(self) -> int:
        """The id of [SEP]."""
        return self.special_ids.sep

    @property
    def mask_id(self) -> int:
        """The id of [MASK]."""
        return self.special_ids.mask

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of the special pieces."""
        return list(self.special_ids)

    @property
    def all_special_tokens(self) -> list[str]:
        """The special pieces."""
        return [self.pieces[i] for i in self.special_ids]

    pad_token, unk_token, cls_token, sep_token, mask_token = (
        property(lambda self, place=place: self.all_special_tokens[place])
        for place in range(len(PIECES))
    )
    pad_token_id, unk_token_id, cls_token_id = pad_id, unk_id, cls_id
    sep_token_id, mask_token_id = sep_id, mask_id


SENTENCEPIECE = SpecialIds(*range(len(PIECES)))  # In every SentencePiece model.


def read(
    processor: sentencepiece.SentencePieceProcessor, name: str, pieces: Sequence[str] = PIECES
) -> SpecialIds:
    """Returns the special ids of a vocabulary.

    Args:
      processor: the vocabulary.
      name: identifies it in the error message.
      pieces: `PIECES`, or `WORDPIECE`.

    Raises:
      InputError: a special piece is absent, or the ids of `PIECES` are not 0 to 4 in order.
    """
    ids = [processor.piece_to_id(piece) for piece in pieces]
    # piece_to_id returns the id of <unk> for a piece that is absent.
    absent = [p for p, i in zip(pieces, ids) if processor.id_to_piece(i) != p]
    if absent and pieces == WORDPIECE:
        raise InputError(
            f"A WordPiece vocabulary must have the pieces {', '.join(WORDPIECE)}. Received {name} "
            f"without {', '.join(absent)}. Use the vocab.txt that the model was trained with."
        )
    if pieces == PIECES and (absent or tuple(ids) != SENTENCEPIECE):
        received = ", ".join(
            f"{piece} {'absent' if piece in absent else index}" for piece, index in zip(PIECES, ids)
        )
        raise InputError(
            "The special pieces of an ALBERT vocabulary must be <pad> 0, <unk> 1, [CLS] 2, "
            f"[SEP] 3, [MASK] 4. Received {received} in {name}. "
            "Train the vocabulary with `albert-tf vocab`, or use that of a released model."
        )
    return SpecialIds(*ids)
