"""The digit-comma rule: a piece such as "1," is split into "1" and ",".

A piece of two or more characters that ends in a digit and "," is encoded again without its "▁" and
its ",", and the "," is appended. The result depends on the piece alone, so the rule is a table from
ids to ids, which both the Python and the in-graph tokenizer look up.

Encoding again adds a "▁" in front. The original intends to strip it from a piece that had none, but
compares bytes with text, so the "▁" stays, and the released models were trained that way. The
"hugging_face" rules strip it. Sources: tokenization.py:encode_pieces of google-research/albert;
tokenization_albert.py:_tokenize of transformers 4.
"""

from __future__ import annotations

from typing import NamedTuple

import sentencepiece

SPACE = "▁"


class Part(NamedTuple):
    """One of the pieces that replace a split piece.

    Attributes:
      id: the id of the piece.
      piece: the text of the piece.
      length: the number of its characters that occur in the text, that is, without its "▁".
    """

    id: int
    piece: str
    length: int


def applies(piece: str) -> bool:
    """Returns whether the rule splits `piece`."""
    return len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit()


def split(processor: sentencepiece.SentencePieceProcessor, piece: str, rules: str) -> list[str]:
    """Returns the pieces that replace `piece`, for which `applies` is true."""
    parts = processor.encode(piece[:-1].replace(SPACE, ""), out_type=str)
    if rules == "hugging_face" and piece[0] != SPACE and parts[:1] and parts[0][0] == SPACE:
        parts = [parts[0][1:], *parts[1:]] if len(parts[0]) > 1 else parts[1:]
    return [*parts, ","]


def table(processor: sentencepiece.SentencePieceProcessor, rules: str) -> dict[int, list[Part]]:
    """Returns the parts of every id in the vocabulary that the rule splits; none in WordPiece."""
    if not isinstance(processor, sentencepiece.SentencePieceProcessor):
        return {}
    parts_of_id = {}
    for index in range(processor.get_piece_size()):
        piece = processor.id_to_piece(index)
        if applies(piece):
            parts = split(processor, piece, rules)
            lengths = [len(part.replace(SPACE, "")) for part in parts]
            parts_of_id[index] = list(map(Part, processor.piece_to_id(parts), parts, lengths))
    return parts_of_id
