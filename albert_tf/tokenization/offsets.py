"""Maps tokens back to their positions in the original text, through every preprocessing step.

The position of a piece in the normalised text is known, and `normalization.align` maps it to the
original. Offsets count characters (Unicode code points) of the original.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import sentencepiece
from sentencepiece import sentencepiece_pb2

from albert_tf.tokenization import normalization
from albert_tf.tokenization.digit_comma import SPACE, Part
from albert_tf.tokenization.settings import Preprocessing

# Ranges of the code points that SentencePiece's nmt_nfkc deletes or turns into a space. A token
# does not include such characters at its beginning.
BLANKS = (
    (0x20, 0x20), (0x01, 0x1F), (0x7F, 0x7F), (0x8F, 0x8F), (0x9F, 0xA0), (0x61C, 0x61C),
    (0x1680, 0x1680), (0x2000, 0x200C), (0x200E, 0x200F), (0x2028, 0x2029), (0x202F, 0x202F),
    (0x205F, 0x205F), (0x2581, 0x2581), (0x3000, 0x3000), (0xFEFF, 0xFEFF), (0xFFFD, 0xFFFD),
)  # fmt: skip
_BLANK, _BLANK_IN_WORD = (
    re.compile("[" + "".join(f"{chr(a)}-{chr(b)}" for a, b in ranges) + "]")
    for ranges in (BLANKS, BLANKS[1:])
)
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


class Vocabulary:
    """What `spans` needs to know about the pieces of a model.

    Args:
      processor: the model.
      parts: the table of the digit-comma rule.

    Attributes:
      pieces: the piece of every id.
      lengths: the number of characters of each piece, int64 [V].
      opens: 1 for each piece that begins with "▁", int64 [V].
      uncommon: the ids of pieces that the rule splits or that contain a "▁" elsewhere.
    """

    def __init__(
        self, processor: sentencepiece.SentencePieceProcessor, parts: dict[int, list[Part]]
    ) -> None:
        self.processor = processor
        self.parts = parts
        self.pieces: list[str] = processor.id_to_piece(list(range(processor.get_piece_size())))
        self.lengths = np.array([len(piece) for piece in self.pieces])
        self.opens = np.array([piece[0] == SPACE for piece in self.pieces], int)
        self.uncommon = parts.keys() | {i for i, p in enumerate(self.pieces) if SPACE in p[1:]}


def spans(
    vocabulary: Vocabulary, texts: Sequence[str], settings: Preprocessing
) -> Iterator[TokenSpans]:
    """Yields the tokens of each text; special tokens in it are ordinary text."""
    normalized = [normalization.normalize(text, settings) for text in texts]
    rows = vocabulary.processor.encode(normalized, out_type=int, num_threads=1)
    sizes = np.fromiter(map(len, rows), int, len(rows))
    limits = np.cumsum(sizes)
    ids = np.fromiter(itertools.chain.from_iterable(rows), int, sizes.sum())  # [T]
    pieces = [vocabulary.pieces[i] for row in rows for i in row]
    opens = vocabulary.opens[ids]
    reach = np.concatenate([[0], np.cumsum(vocabulary.lengths[ids])])  # [T + 1]
    before = np.repeat(reach[limits - sizes], sizes) + 1  # The first "▁" is not in the text.
    starts, ends = (reach[:-1] - before + opens).tolist(), (reach[1:] - before).tolist()
    reach = np.concatenate([[0], np.cumsum(opens)])
    in_words = (reach[1:] - np.repeat(reach[limits - sizes], sizes) - 1).tolist()
    for text, result, row, end in zip(texts, normalized, rows, limits.tolist()):
        own = slice(end - len(row), end)
        tokens = TokenSpans(row, pieces[own], starts[own], ends[own], in_words[own])
        sources = normalization.sources(text, result, settings)
        if not _covers(tokens.pieces, result):
            tokens = _located(vocabulary, result)
        elif isinstance(sources[0], range) and vocabulary.uncommon.isdisjoint(row):
            yield tokens  # Characters are where they were, and each "▁" opens a word.
            continue
        yield _in_original(_split(tokens, vocabulary.parts), text, *sources)


def _covers(pieces: list[str], text: str) -> bool:
    """Returns whether SentencePiece changed nothing but spaces, as in almost all texts."""
    if "".join(pieces) != SPACE + text.replace(" ", SPACE):
        return False
    return text.isascii() and text.isprintable() or not _BLANK_IN_WORD.search(text)


def _located(vocabulary: Vocabulary, text: str) -> TokenSpans:
    """Returns the tokens of a normalised text with the positions that SentencePiece reports."""
    proto = sentencepiece_pb2.SentencePieceText()
    proto.ParseFromString(vocabulary.processor.encode(text, out_type="serialized_proto"))
    # SentencePiece counts UTF-8 bytes; these sums convert a byte offset to a character offset.
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    sizes = 1 + (codes > 0x7F) + (codes > 0x7FF) + (codes > 0xFFFF)
    bytes_before = np.concatenate([[0], np.cumsum(sizes)])
    spans = proto.pieces
    starts = np.searchsorted(bytes_before, np.array([span.begin for span in spans], int))  # [T]
    ends = np.searchsorted(bytes_before, np.array([span.end for span in spans], int))  # [T]
    inked = np.ones(len(text) + 1, bool)
    inked[[blank.start() for blank in _BLANK.finditer(text)]] = False
    inked = np.flatnonzero(inked)
    starts = np.maximum(starts, np.minimum(inked[np.searchsorted(inked, starts)], ends))
    ids, pieces = [span.id for span in spans], [span.piece for span in spans]
    return TokenSpans(ids, pieces, starts.tolist(), ends.tolist(), [])


def _split(tokens: TokenSpans, parts_of_id: dict[int, list[Part]]) -> TokenSpans:
    """Replaces the tokens in the table by their parts, whose places are measured from the end."""
    if parts_of_id.keys().isdisjoint(tokens.ids):
        return tokens
    result = TokenSpans([], [], [], [], [])
    for index, piece, begin, end in zip(*tokens[:4]):
        parts = parts_of_id.get(index, [Part(index, piece, end - begin)])
        left = sum(part.length for part in parts)
        for part in parts:
            result.ids.append(part.id)
            result.pieces.append(part.piece)
            result.starts.append(max(begin, end - left))
            left -= part.length
            result.ends.append(max(begin, end - left))
    return result


def _in_original(
    tokens: TokenSpans, text: str, starts: Sequence[int], ends: Sequence[int]
) -> TokenSpans:
    """Replaces the places in the normalised text by those of their sources in the original."""
    starts = [*starts, len(text)]
    pairs = list(zip(tokens.starts, tokens.ends))
    ends = [ends[end - 1] if begin < end else starts[begin] for begin, end in pairs]
    starts = [starts[begin] for begin, _ in pairs]
    return TokenSpans(tokens.ids, tokens.pieces, starts, ends, words(text, starts))


def words(text: str, starts: Sequence[int]) -> list[int]:
    """Returns, for each start, the index in `text.split()` of the word at or before it.

    Args:
      text: the original text.
      starts: where tokens begin, in ascending order.
    """
    begins = [word.start() for word in _WORD.finditer(text)]
    result = []
    word, following = 0, iter([*begins[1:], len(text) + 1])
    limit = next(following)
    for start in starts:
        while start >= limit:
            word += 1
            limit = next(following)
        result.append(word)
    return result
