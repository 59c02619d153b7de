"""The digit-comma rule: a piece such as "1," is taken apart into "1" and ",".

A piece longer than 1 that ends in "," after a digit is encoded again without its "▁" and its ",",
and the "," is appended. What comes out depends on the piece alone, so the rule is a table from ids
to ids, and both runtimes look it up.

Encoding again puts a "▁" in front. The original means to strip it from a piece that had none, but
compares bytes with text, so it stays, and the released models were trained on that. Rules
"hugging_face" strip it. Sources: tokenization.py:encode_pieces of google-research/albert;
tokenization_albert.py:_tokenize of transformers 4.
"""

from __future__ import annotations

from typing import NamedTuple

import sentencepiece

SPACE = "▁"


class Part(NamedTuple):
    """One piece of those that replace another.

    Attributes:
      piece: the text of the piece.
      length: characters of it that stand in the text, its "▁" not counted.
    """

    piece: str
    length: int


def applies(piece: str) -> bool:
    """Tells whether the rule takes `piece` apart."""
    return len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit()


def split(processor: sentencepiece.SentencePieceProcessor, piece: str, rules: str) -> list[str]:
    """Returns the pieces that replace `piece`, for which `applies` is true."""
    parts = processor.encode(piece[:-1].replace(SPACE, ""), out_type=str)
    if rules == "hugging_face" and piece[0] != SPACE and parts[0][0] == SPACE:
        parts = [parts[0][1:], *parts[1:]] if len(parts[0]) > 1 else parts[1:]
    return [*parts, ","]


def table(processor: sentencepiece.SentencePieceProcessor, rules: str) -> dict[int, list[Part]]:
    """Returns the parts of every id of the vocabulary that the rule takes apart."""
    found = {}
    for index in range(processor.get_piece_size()):
        piece = processor.id_to_piece(index)
        if applies(piece):
            parts = split(processor, piece, rules)
            found[index] = [Part(part, len(part.replace(SPACE, ""))) for part in parts]
    return found
