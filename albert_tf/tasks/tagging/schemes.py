"""The schemes of labels, whose prefixes say where entities begin and end.

In IOB2, B begins an entity and I continues it; in IOB1, B does so only directly after an entity of
the same type. In IOBES, E ends an entity and S is one of a single word; BILOU has L and U instead.

Entities are read as the CoNLL evaluation and seqeval's default mode do, which takes any sequence:
every word with an entity label belongs to one entity, whichever scheme and even if B is missing.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

SCHEMES = ("IOB2", "IOB1", "IOBES", "BILOU")
OUTSIDE = "O"
_BEGINS, _ENDS = "BSU", "ESLU"  # Prefixes that begin an entity, and those that end one.
# The prefixes of the first, the middle, the last and the only word of an entity.
_PREFIXES = {"IOB2": "BIIB", "IOBES": "BIES", "BILOU": "BILU"}


class Entity(NamedTuple):
    """An entity: its type, its first word, and the word after its last one."""

    kind: str
    first: int
    last: int


class Table(NamedTuple):
    """What the labels of a model mean, a value for each.

    Attributes:
      kinds: the types of entities.
      kind: the index of the label's type; -1 if it is no part of an entity.
      begins: whether an entity begins at each such word.
      ends: whether an entity ends at each such word.
    """

    kinds: tuple[str, ...]
    kind: tuple[int, ...]
    begins: tuple[bool, ...]
    ends: tuple[bool, ...]


@functools.lru_cache(4096)
def split(label: str) -> tuple[str, str]:
    """Returns the prefix and the type of a label; "O" and "" if it is no part of an entity."""
    is_entity = label[:1] in "BIESUL" and label[1:2] == "-" and len(label) > 2
    return (label[0], label[2:]) if is_entity else (OUTSIDE, "")


def table(labels: Iterable[str]) -> Table:
    """Returns what labels mean."""
    parts = [split(label) for label in labels]
    kinds = tuple(dict.fromkeys(kind for prefix, kind in parts if prefix != OUTSIDE))
    return Table(
        kinds,
        tuple(-1 if prefix == OUTSIDE else kinds.index(kind) for prefix, kind in parts),
        tuple(prefix in _BEGINS for prefix, _ in parts),
        tuple(prefix in _ENDS for prefix, _ in parts),
    )


def entities(labels: Iterable[str]) -> list[Entity]:
    """Returns the entities of a sentence."""
    found: list[Entity] = []
    before, kind_before = OUTSIDE, ""
    for index, (prefix, kind) in enumerate(map(split, labels)):
        if prefix != OUTSIDE:
            if prefix in _BEGINS or before in _ENDS or kind != kind_before:
                found.append(Entity(kind, index, index + 1))
            else:
                found[-1] = found[-1]._replace(last=index + 1)
        before, kind_before = prefix, kind
    return found


def tags(found: Iterable[Entity], count: int, scheme: str) -> tuple[str, ...]:
    """Returns the labels of `count` words with these entities, in the order of their words."""
    labels, before = [OUTSIDE] * count, Entity("", -1, -1)
    for entity in found:
        first, middle, last, only = _PREFIXES.get(scheme, "IIII")
        if scheme == "IOB1" and (before.kind, before.last) == (entity.kind, entity.first):
            first = only = "B"
        prefixes = [first, *[middle] * (entity.last - entity.first - 2), last]
        prefixes = prefixes if entity.last - entity.first > 1 else [only]
        labels[entity.first : entity.last] = [f"{prefix}-{entity.kind}" for prefix in prefixes]
        before = entity
    return tuple(labels)


def all_labels(kinds: Iterable[str], scheme: str) -> tuple[str, ...]:
    """Returns every label that a scheme has for some types, "O" first."""
    prefixes = sorted(set(_PREFIXES.get(scheme, "BI")))
    return (OUTSIDE, *(f"{prefix}-{kind}" for prefix in prefixes for kind in sorted(kinds)))


def of_labels(labels: Iterable[str]) -> str:
    """Returns the scheme of a model's labels; "" if none is a part of an entity.

    Labels with a type that has I but not B are IOB1.
    """
    of_prefix: dict[str, set[str]] = {}
    for prefix, kind in map(split, labels):
        of_prefix.setdefault(prefix, set()).add(kind)
    of_prefix.pop(OUTSIDE, None)
    if not of_prefix:
        return ""
    for scheme, marks in (("BILOU", "UL"), ("IOBES", "SE")):
        if of_prefix.keys() & set(marks):
            return scheme
    return "IOB2" if of_prefix.get("I", set()) <= of_prefix.get("B", set()) else "IOB1"


def of_sentences(sentences: Sequence[Sequence[str]]) -> str:
    """Returns the scheme of the labels of the sentences of a file; "" if they have no entities.

    They are IOB1 if an entity begins with I, and B is only where it must be in IOB1.
    """
    scheme = of_labels({label for labels in sentences for label in labels})
    if scheme not in ("IOB1", "IOB2"):
        return scheme
    begins_inside = False
    for labels in sentences:
        before = ""
        for prefix, kind in map(split, labels):
            if prefix == "B" and kind != before:
                return "IOB2"
            begins_inside |= prefix == "I" and kind != before
            before = kind
    return "IOB1" if begins_inside else "IOB2"


def converted(labels: Sequence[str], scheme: str) -> tuple[str, ...]:
    """Returns the labels of a sentence in another scheme, with the same entities."""
    return tags(entities(labels), len(labels), scheme)
