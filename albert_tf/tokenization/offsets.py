"""Maps tokens back to their positions in the original text, through every preprocessing step.

SentencePiece reports the position of a piece in the normalised text; `normalization.align` maps
that position to the original. Offsets count characters (Unicode code points) of the original.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

import sentencepiece
from sentencepiece import sentencepiece_pb2

from albert_tf.tokenization import normalization
from albert_tf.tokenization.digit_comma import Part
from albert_tf.tokenization.settings import Preprocessing

# Ranges of the code points that SentencePiece's nmt_nfkc deletes or turns into a space. A token
# does not include such characters at its beginning.
BLANKS = (
    (0x01, 0x20), (0x7F, 0x7F), (0x8F, 0x8F), (0x9F, 0xA0), (0x61C, 0x61C), (0x1680, 0x1680),
    (0x2000, 0x200C), (0x200E, 0x200F), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F),
    (0x2581, 0x2581), (0x3000, 0x3000), (0xFEFF, 0xFEFF), (0xFFFD, 0xFFFD),
)  # fmt: skip
_BLANK = re.compile("[" + "".join(f"{chr(a)}-{chr(b)}" for a, b in BLANKS) + "]")
_WORD = re.compile(r"\S+")


class TokenSpans(NamedTuple):
    """The tokens of a text, as lists of equal length.

    Attributes:
      ids: the ids, as returned by `encode`.
      pieces: the pieces.
      starts: where each token begins in the text, in characters.
      ends: where each token ends in the text, in characters; a lone "▁" ends where it starts.
      words: for each token, the index of its word in `text.split()`.
    """

    ids: list[int]
    pieces: list[str]
    starts: list[int]
    ends: list[int]
    words: list[int]


class _Span(NamedTuple):
    piece: str
    begin: int
    end: int


def spans(
    processor: sentencepiece.SentencePieceProcessor,
    text: str,
    settings: Preprocessing,
    parts: dict[int, list[Part]],
) -> tuple[list[str], list[int], list[int]]:
    """Returns the pieces, starts and ends of the tokens of a text, without special tokens.

    Args:
      processor: the model.
      text: the original text.
      settings: the preprocessing settings.
      parts: the table of the digit-comma rule.
    """
    aligned = normalization.align(text, settings)
    proto = sentencepiece_pb2.SentencePieceText()
    proto.ParseFromString(processor.encode(aligned.text, out_type="serialized_proto"))
    # SentencePiece counts UTF-8 bytes; these sums convert a byte offset to a character offset.
    bytes_before: Sequence[int] = range(len(aligned.text) + 1)
    if not aligned.text.isascii():
        bytes_before = [0, *itertools.accumulate(len(c.encode()) for c in aligned.text)]
    pieces, starts, ends = [], [], []
    for token in proto.pieces:
        begin = bisect.bisect_left(bytes_before, token.begin)
        end = bisect.bisect_left(bytes_before, token.end)
        while begin < end and _BLANK.match(aligned.text[begin]):
            begin += 1
        for span in _split_piece(token.piece, begin, end, parts.get(token.id)):
            pieces.append(span.piece)
            start, limit = _source(aligned, span.begin, span.end, len(text))
            starts.append(start)
            ends.append(limit)
    return pieces, starts, ends


def _split_piece(piece: str, begin: int, end: int, parts: Sequence[Part] | None) -> list[_Span]:
    """Returns the spans of the parts that replace a piece, measured from its end."""
    if parts is None:
        return [_Span(piece, begin, end)]
    backwards = []
    for part in reversed(parts):
        start = max(begin, end - part.length)
        backwards.append(_Span(part.piece, start, end))
        end = start
    return backwards[::-1]


def _source(
    aligned: normalization.Aligned, begin: int, end: int, text_length: int
) -> tuple[int, int]:
    """Returns the source of characters `begin` to `end` of the normalised text."""
    if begin < end:
        # Not simply the first and the last, because NFKD may have reordered marks.
        return min(aligned.starts[begin:end]), max(aligned.ends[begin:end])
    start = aligned.starts[begin] if begin < len(aligned.starts) else text_length
    return start, start


def words(text: str, starts: Sequence[int]) -> list[int]:
    """Returns, for each start, the index in `text.split()` of the word at or before it."""
    begins = [word.start() for word in _WORD.finditer(text)]
    return [max(0, bisect.bisect_right(begins, start) - 1) for start in starts]
