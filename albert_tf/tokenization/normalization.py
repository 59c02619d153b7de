"""ALBERT's text normalisation before SentencePiece, with or without character offsets.

`normalize` returns text only. `align` also maps each character of the result to its source in the
original text.

Sources: tokenization.py:preprocess_text of google-research/albert for the original rules;
AlbertTokenizer.preprocess_text and PreTrainedTokenizer.tokenize of transformers 4 for the
"hugging_face" rules.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from albert_tf.tokenization import combining_marks
from albert_tf.tokenization.added_tokens import lower_each
from albert_tf.tokenization.settings import Preprocessing

_COMBINING = re.compile(combining_marks.PYTHON_PATTERN)
_MARKS = re.compile(f"{combining_marks.PYTHON_PATTERN}+")
_LONG = 1000  # characters of a text, of which 100 may be one run of marks
_RUN = re.compile(f"(?:{combining_marks.PYTHON_PATTERN}|[\u0f73\u0f75\u0f81\uff9e\uff9f]){{100,}}")
_SURROGATES = re.compile("[\ud800-\udfff]")
_WORD = re.compile(r"\S+")
_QUOTES = ("``", "''")
_CHARACTER_OR_QUOTES = re.compile(r"``|''|[\s\S]")


def normalize(text: str, settings: Preprocessing) -> str:
    """Returns the text as it is passed to SentencePiece.

    Lone surrogates, which UTF-8 cannot encode, become U+FFFD.
    """
    hugging_face = settings.rules == "hugging_face"
    ascii_only = text.isascii()
    if not ascii_only:
        text = _SURROGATES.sub("\ufffd", text)
    if hugging_face and settings.lower_case:
        text = lower_each(text)
    text = " ".join(text.split())
    if hugging_face:
        for quote in _QUOTES:
            text = text.replace(quote, '"')
    if not ascii_only:
        if not (hugging_face and settings.keep_accents):
            text = unicodedata.normalize("NFKD", text if len(text) < _LONG else _ordered(text))
        if not settings.keep_accents:
            text = _COMBINING.sub("", text)
    return text.lower() if settings.lower_case else text


def _ordered(text: str) -> str:
    """Decomposes long runs of marks, and orders them as NFKD does, which takes n^2 steps for n."""

    def order(run: re.Match[str]) -> str:
        marks = unicodedata.normalize("NFKD", "\0".join(run.group())).replace("\0", "")
        return "".join(sorted(marks, key=unicodedata.combining))

    return _RUN.sub(order, text)


class Aligned(NamedTuple):
    """Normalised text with the source of each of its characters.

    The source of a character is a character of the original together with the marks that follow it.
    All characters that it becomes, as "ﬁ" becomes "f" and "i", have this source.

    Attributes:
      text: the normalised text.
      starts: for each character of `text`, where its source begins in the original; a range if
        each character, a space too, is where it was.
      ends: for each character of `text`, where its source ends in the original.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


def align(text: str, settings: Preprocessing) -> Aligned:
    """Returns `normalize(text, settings)` with the source of each character."""
    result = normalize(text, settings)
    return Aligned(result, *sources(text, result, settings))


def sources(text: str, result: str, settings: Preprocessing) -> tuple[Sequence[int], Sequence[int]]:
    """Returns the starts and ends of `align`, where `result` is the normalised text."""
    quotes = settings.rules == "hugging_face" and any(quote in text for quote in _QUOTES)
    ascii_only = text.isascii() and not quotes
    table = _table(settings.lower_case, settings.keep_accents, settings.rules)
    if len(result) == len(text) and (
        ascii_only or not quotes and all(table[c].is_simple for c in set(text))
    ):
        return range(len(text)), range(1, len(text) + 1)
    starts: list[int] = []
    ends: list[int] = []
    limit = 0
    for word in _WORD.finditer(text):
        begin = word.start()
        if limit:  # The space before the word.
            starts.append(limit)
            ends.append(begin)
        limit = word.end()
        if ascii_only or (not quotes and word.group().isascii()):
            starts += range(begin, limit)
            ends += range(begin + 1, limit + 1)
        else:
            units = _CHARACTER_OR_QUOTES.findall(word.group()) if quotes else word.group()
            for start, end, length in _clusters(units, begin, table):
                starts += [start] * length
                ends += [end] * length
    return starts, ends


def _clusters(units: Sequence[str], begin: int, table: _Table) -> list[tuple[int, int, int]]:
    """Returns the start, end and normalised length of each character with its marks."""
    clusters: list[tuple[int, int, int]] = []
    for unit in units:
        end = begin + len(unit)
        length, is_mark, _ = table[unit]
        if is_mark and clusters:
            start, _, before = clusters.pop()
            clusters.append((start, end, before + length))
        else:
            clusters.append((begin, end, length))
        begin = end
    return clusters


class _Source(NamedTuple):
    """A character of the original, or a pair of quotes.

    Attributes:
      length: the number of characters that it becomes.
      is_mark: whether it belongs to the character before it.
      is_simple: whether it stays one character, and white space stays white space.
    """

    length: int
    is_mark: bool
    is_simple: bool


class _Table(dict[str, _Source]):
    """The sources by their text.

    A length stays the same when the text is lower-cased at the end: U+0130, the only letter whose
    lower case is two characters, has already been decomposed or lowered.
    """

    def __init__(self, settings: Preprocessing) -> None:
        super().__init__(dict.fromkeys(_QUOTES, _Source(1, False, False)))
        self._settings = settings

    def __missing__(self, unit: str) -> _Source:
        settings = self._settings
        hugging_face = settings.rules == "hugging_face"
        text = lower_each(unit) if hugging_face and settings.lower_case else unit
        if not (hugging_face and settings.keep_accents):
            text = unicodedata.normalize("NFKD", text)
        kept = text if settings.keep_accents else _COMBINING.sub("", text)
        is_mark = bool(_MARKS.fullmatch(text))
        is_simple = len(kept) == 1 and not is_mark and kept.isspace() == unit.isspace()
        self[unit] = _Source(len(kept), is_mark, is_simple)
        return self[unit]


@functools.cache
def _table(lower_case: bool, keep_accents: bool, rules: str) -> _Table:
    return _Table(Preprocessing(lower_case, keep_accents, rules))
