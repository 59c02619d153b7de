"""Detects documents in a stream whose text has been seen before, by comparing runs of five words.

A run is stored as its CRC-32, which is the same on every machine and in every run; 20 MB of text
need about 200 MB of memory.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

RUN_WORDS = 5

_WORD = re.compile(r"\w+")


def word_runs(sentences: Iterable[str]) -> list[int]:
    """Returns the sorted hashes of the word runs in a document, or [] if it has no words."""
    words = _WORD.findall(" ".join(sentences).lower())
    if not words:
        return []
    begins = range(max(1, len(words) - RUN_WORDS + 1))
    return sorted({zlib.crc32(" ".join(words[i : i + RUN_WORDS]).encode()) for i in begins})


class SeenRuns:
    """Stores the word runs of documents seen so far."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def share(self, runs: list[int]) -> float:
        """Returns the share of the runs that occurred in earlier documents; 0 if there are none."""
        return sum(map(self._seen.__contains__, runs)) / max(1, len(runs))

    def add(self, runs: list[int]) -> None:
        """Adds the runs of a document."""
        self._seen.update(runs)
