"""Turns spans of characters into labels of words."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from albert_tf.errors import InputError, closest
from albert_tf.tasks.tagging import schemes
from albert_tf.tasks.tagging.schemes import Entity
from albert_tf.tokenization import words as word_rules

OVERLAPS = ("error", "longest")
OFFSETS = ("characters", "utf-16", "bytes")
# How a text is encoded so that such units are counted, and the bytes of a unit.
_ENCODINGS = {"characters": ("utf-32-le", 4), "utf-16": ("utf-16-le", 2), "bytes": ("utf-8", 1)}


class Broken(Exception):
    """A row breaks a rule; `reason` says which in a few words."""

    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(problem)
        self.reason = reason


class Span(NamedTuple):
    """A span of characters: its offsets, its label, and its text if the file has it."""

    start: int
    end: int
    label: str
    text: str | None = None


class Settings(NamedTuple):
    """How texts with spans are read.

    Attributes:
      words: the rule that cuts texts into words; see `tokenization.words`.
      overlaps: "error", or "longest" to keep the longest of the spans that overlap.
      offsets: what offsets count: one of `OFFSETS`.
    """

    words: str = "unicode"
    overlaps: str = "error"
    offsets: str = "characters"

    def check(self) -> None:
        """Raises `InputError` for the first value that does not exist."""
        for name, known in zip(self._fields, (word_rules.RULES, OVERLAPS, OFFSETS)):
            value = getattr(self, name)
            if value not in known:
                raise InputError(
                    f"{name.upper()} must be {' or '.join(known)}. Received {value!r:.80}. "
                    f"{closest(str(value)[:80], known)}"
                )


def cut(text: str, rule: str) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
    """Returns the words of a text, and where each begins and ends."""
    places = word_rules.spans(text, rule)
    return tuple([text[start:end] for start, end in places]), tuple(places)


def labels(
    text: str,
    places: Sequence[tuple[int, int]],
    spans: Sequence[Span],
    settings: Settings,
    where: str,
    remark: Callable[[str], None],
) -> tuple[str, ...]:
    """Returns the IOB2 labels of the words of a text.

    Args:
      text: the text.
      places: where each word begins and ends.
      spans: the spans, in any order.
      settings: how they are read.
      where: the place of the text, for errors.
      remark: called with what is true of the text, for the report.

    Raises:
      Broken: a span is not inside the text, cuts a word, has no word, has another text than it
        says, or overlaps with another one.
    """
    found: dict[Entity, Span] = {}
    characters, length = _characters(text, settings.offsets)
    starts = [start for start, _ in places]
    for span in spans:
        span = _in_characters(text, span, characters, length, settings.offsets, where)
        entity = _entity(text, places, starts, span, settings.offsets, where)
        if entity in found:
            remark("have a span twice")
        found[entity] = span
        first, last = places[entity.first][0], places[entity.last - 1][1]
        if (span.start, span.end) != (first, last):
            remark("have a span with blanks at its ends, which are not part of it")
    kept = _without_overlaps(text, found, settings.overlaps, where, remark)
    return schemes.tags(kept, len(places), "IOB2")


def _characters(text: str, unit: str) -> tuple[Mapping[int, int], int]:
    """Returns the number of characters before each place, counted in units, and the last place."""
    if unit == "characters" or text.isascii():
        return _Same(), len(text)
    encoding, size = _ENCODINGS[unit]
    lengths = (len(character.encode(encoding)) // size for character in text)
    places = list(itertools.accumulate(lengths, initial=0))
    return {place: index for index, place in enumerate(places)}, places[-1]


class _Same(dict):
    def __missing__(self, key: int) -> int:
        return key


def _in_characters(
    text: str, span: Span, characters: Mapping[int, int], length: int, unit: str, where: str
) -> Span:
    """Returns a span with offsets in characters, after checking that it is inside the text."""
    if not 0 <= span.start < span.end <= length:
        raise Broken(
            "a span is not inside its text",
            "A span must begin before it ends, and both within its text. Received "
            f"{_shown(span)} in {where}, whose text has a length of {length}, counted in {unit}."
            f"{_hint(text, span, unit)} Correct it.",
        )
    try:
        span = span._replace(start=characters[span.start], end=characters[span.end])
    except KeyError as error:
        raise Broken(
            "a span cuts a character",
            f"Offsets that count {unit} must not cut a character. Received {_shown(span)} in "
            f"{where}.{_hint(text, span, unit)} Correct it, or set another OFFSETS.",
        ) from error
    there = text[span.start : span.end]
    if span.text not in (None, there):
        raise Broken(
            "a span is not where its text is",
            f"The offsets of a span must be those of its text, counted in {unit}. "
            f"Received {_shown(span)} of {span.text!r:.60} in {where}, where the text is "
            f"{there!r:.60}.{_hint(text, span, unit)} Correct it.",
        )
    return span


def _entity(
    text: str,
    places: Sequence[tuple[int, int]],
    starts: Sequence[int],
    span: Span,
    unit: str,
    where: str,
) -> Entity:
    """Returns the words of a span as an entity."""
    first, last = (bisect.bisect_left(starts, offset) for offset in span[:2])
    cut_words = [
        text[slice(*places[index - 1])]
        for index, offset in ((first, span.start), (last, span.end))
        if index and places[index - 1][1] > offset
    ]
    received = f"Received {_shown(span)}, {text[span.start : span.end]!r:.60}, in {where}"
    if cut_words:
        hint = _hint(text, span, unit) if unit == "characters" else ""
        raise Broken(
            "a span cuts a word",
            f"A span must begin and end between words. {received}, which cuts "
            f"{' and '.join(repr(word)[:60] for word in dict.fromkeys(cut_words))}."
            f"{hint} Move it to the ends of words, or leave such texts out with "
            "SKIP_BROKEN_ROWS=True.",
        )
    if first == last:
        raise Broken(
            "a span has no word", f"A span must have a word. {received}. Correct or remove it."
        )
    return Entity(span.label, first, last)


def _without_overlaps(
    text: str,
    found: dict[Entity, Span],
    overlaps: str,
    where: str,
    remark: Callable[[str], None],
) -> list[Entity]:
    """Returns the entities in the order of their words."""
    order = sorted(found, key=lambda entity: (entity.first, entity.last))
    reach: Entity | None = None  # The entity before that ends last.
    pair = None
    for entity in order:
        if reach is not None and entity.first < reach.last:
            pair = reach, entity
            break
        reach = entity
    if pair is None:
        return order
    if overlaps == "error":
        shown = " and ".join(f"{_shown(found[e])} {text[slice(*found[e][:2])]!r:.60}" for e in pair)
        raise Broken(
            "spans overlap",
            f"Spans must not overlap, as a word has one label. Received {shown} in {where}. "
            "Correct them, or keep the longest of each with OVERLAPS=longest.",
        )
    remark("have spans that overlap, of which the longest are kept")
    by_length = sorted(order, key=lambda e: (found[e].start - found[e].end, found[e].start))
    taken: set[int] = set()
    kept = []
    for entity in by_length:
        words = range(entity.first, entity.last)
        if taken.isdisjoint(words):
            taken.update(words)
            kept.append(entity)
    return sorted(kept, key=lambda entity: entity.first)


def _hint(text: str, span: Span, unit: str) -> str:
    """Returns what the offsets may count instead, or where the text of the span is."""
    for other, (encoding, size) in _ENCODINGS.items() if not text.isascii() else ():
        units = text.encode(encoding)
        begin, end = span.start * size, span.end * size
        if other == unit or not 0 <= begin < end <= len(units):
            continue
        try:
            before, there = units[:begin].decode(encoding), units[begin:end].decode(encoding)
        except UnicodeDecodeError:
            continue
        is_text = there == span.text
        if span.text is None:  # Then its ends must at least be those of words.
            places = word_rules.spans(text, "unicode")
            is_text = len(before) in {begin for begin, _ in places}
            is_text = is_text and len(before + there) in {end for _, end in places}
        if is_text:
            return f" Counted in {other}, it is {there!r:.60}: set OFFSETS={other} if all are."
    if not span.text:
        return ""
    start = max(span.start, 0)
    places = text.find(span.text, start), text.rfind(span.text, 0, start + len(span.text))
    places = [place for place in places if place >= 0]
    if not places:
        return " The text does not contain it."
    return f" The nearest one begins at {min(places, key=lambda place: abs(place - start))}."


def _shown(span: Span) -> str:
    return f"[{span.start}, {span.end}, {span.label!r:.40}]"
