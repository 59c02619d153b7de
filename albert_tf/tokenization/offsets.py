"""Maps tokens back to their positions in the original text, through every preprocessing step.

The position of a piece in the normalised text is known, and `normalization.align` maps it to the
original. Offsets count characters (Unicode code points) of the original.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import sentencepiece
from sentencepiece import sentencepiece_pb2

from albert_tf.tokenization import normalization, segmentation
from albert_tf.tokenization.digit_comma import SPACE, Part
from albert_tf.tokenization.segmentation import Sampling
from albert_tf.tokenization.settings import Preprocessing
from albert_tf.tokenization.special_ids import PIECES
from albert_tf.tokenization.token_matcher import Place

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
_UNKNOWN = PIECES.index("<unk>")


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
      unknown: finds runs of characters that are no pieces.
      not_single: the ids of pieces with a character that is no piece.
    """

    def __init__(
        self,
        processor: sentencepiece.SentencePieceProcessor,
        parts: dict[int, list[Part]],
    ) -> None:
        self.processor = processor
        self.parts = parts
        self.pieces: list[str] = processor.id_to_piece(list(range(processor.get_piece_size())))
        self.lengths = np.array([len(piece) for piece in self.pieces])
        self.opens = np.array([piece[0] == SPACE for piece in self.pieces], int)
        self.uncommon = parts.keys() | {i for i, p in enumerate(self.pieces) if SPACE in p[1:]}
        special = range(len(PIECES))
        known = {p for i, p in enumerate(self.pieces) if len(p) == 1 and i not in special}
        self.unknown = re.compile(
            f"[^{''.join(map(re.escape, sorted(known)))}]+" if known else ".+"
        )
        self.not_single = {
            i for i, p in enumerate(self.pieces) if i not in special and not known.issuperset(p)
        }


def spans(
    vocabulary: Vocabulary,
    texts: Sequence[str],
    settings: Preprocessing,
    sampling: Sampling | None = None,
) -> Iterator[TokenSpans]:
    """Yields the tokens of each text; special tokens in it are ordinary text."""
    normalized = [normalization.normalize(text, settings) for text in texts]
    if sampling is not None:
        protos = segmentation.encode(vocabulary.processor, normalized, sampling, "serialized_proto")
        for text, result, proto in zip(texts, normalized, protos):
            tokens = _split(_located(result, proto), vocabulary.parts)
            yield _in_original(tokens, text, *normalization.sources(text, result, settings))
        return
    rows = segmentation.encode(vocabulary.processor, normalized)
    sizes = np.fromiter(map(len, rows), int, len(rows))
    limits = np.cumsum(sizes)
    ids = np.fromiter(itertools.chain.from_iterable(rows), int, sizes.sum())  # [T]
    pieces = [vocabulary.pieces[i] for row in rows for i in row]
    lengths = vocabulary.lengths[ids]
    opens = vocabulary.opens[ids]
    # As SentencePiece has them.
    whole = [SPACE + text.replace(" ", SPACE) if text else "" for text in normalized]
    for index, runs in _unknown(vocabulary, rows, whole).items():
        end = limits[index]
        places = end - sizes[index] + np.flatnonzero(ids[end - sizes[index] : end] == _UNKNOWN)
        for place, run in zip(places.tolist(), runs):
            pieces[place], lengths[place], opens[place] = run, len(run), run[0] == SPACE
    reach = np.concatenate([[0], np.cumsum(lengths)])  # [T + 1]
    before = np.repeat(reach[limits - sizes], sizes) + 1  # The first "▁" is not in the text.
    starts, ends = (reach[:-1] - before + opens).tolist(), (reach[1:] - before).tolist()
    reach = np.concatenate([[0], np.cumsum(opens)])
    in_words = (reach[1:] - np.repeat(reach[limits - sizes], sizes) - 1).tolist()
    for index, (text, row, end) in enumerate(zip(texts, rows, limits.tolist())):
        own = slice(end - len(row), end)
        tokens = TokenSpans(row, pieces[own], starts[own], ends[own], in_words[own])
        result = normalized[index]
        sources = normalization.sources(text, result, settings)
        if "".join(tokens.pieces) != whole[index] or not _is_plain(result):
            proto = vocabulary.processor.encode(result, out_type="serialized_proto")
            tokens = _located(result, proto)
        elif isinstance(sources[0], range) and vocabulary.uncommon.isdisjoint(row):
            yield tokens  # Characters are where they were, and each "▁" opens a word.
            continue
        yield _in_original(_split(tokens, vocabulary.parts), text, *sources)


def _unknown(
    vocabulary: Vocabulary, rows: list[list[int]], texts: list[str]
) -> dict[int, list[str]]:
    """Returns the texts of the <unk> in each row, where they are certain.

    SentencePiece makes one <unk> of characters in a row that are no pieces, unless one of them is
    in a longer piece.
    """
    found = {}
    for index, row in enumerate(rows):
        if _UNKNOWN in row and vocabulary.not_single.isdisjoint(row):
            text = texts[index]
            runs = vocabulary.unknown.findall(text)
            normal = text.isascii() or unicodedata.is_normalized("NFKC", text)
            if normal and len(runs) == row.count(_UNKNOWN):
                found[index] = runs
    return found


def _is_plain(text: str) -> bool:
    """Returns whether SentencePiece changes nothing but spaces, as in almost all texts."""
    return text.isascii() and text.isprintable() or not _BLANK_IN_WORD.search(text)


def _located(text: str, serialized: bytes) -> TokenSpans:
    """Returns the tokens of a normalised text with the positions that SentencePiece reports."""
    proto = sentencepiece_pb2.SentencePieceText()
    proto.ParseFromString(serialized)
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
    pairs = zip(tokens.starts, tokens.ends)
    ends = [ends[end - 1] if begin < end else starts[begin] for begin, end in pairs]
    starts = [starts[begin] for begin in tokens.starts]
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


def joined(
    text: str, places: Sequence[Place], plain: Iterator[TokenSpans], pieces: Sequence[str]
) -> TokenSpans:
    """Returns the tokens of a text with added tokens.

    Args:
      text: the text.
      places: where its added tokens are.
      plain: the tokens of what is before, between and after these, without white space around it.
      pieces: the piece of every id.
    """
    tokens = TokenSpans([], [], [], [], [])
    begin = 0
    for start, end, index in (*places, (len(text), len(text), None)):
        ids, own, starts, ends, _ = next(plain)
        segment = text[begin:start]
        begin = start - len(segment.lstrip())
        tokens.ids.extend(ids)
        tokens.pieces.extend(own)
        tokens.starts.extend(begin + place for place in starts)
        tokens.ends.extend(begin + place for place in ends)
        if index is not None:
            for values, value in zip(tokens, (index, pieces[index], start, end)):
                values.append(value)
        begin = end
    tokens.words.extend(words(text, tokens.starts))
    return tokens


def of_words(tokens: Sequence[TokenSpans], counts: Iterable[int]) -> list[TokenSpans]:
    """Returns the tokens of texts that are given as words; each position is that in its word.

    Args:
      tokens: the tokens of all words.
      counts: the number of words of each text.
    """
    result, words = [], iter(tokens)
    for count in counts:
        text = TokenSpans([], [], [], [], [])
        for index, word in enumerate(itertools.islice(words, count)):
            for values, more in zip(text[:4], word[:4]):
                values.extend(more)
            text.words.extend([index] * len(word.ids))
        result.append(text)
    return result
