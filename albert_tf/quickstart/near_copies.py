"""Finding documents whose text has been seen before, in a stream, by runs of five words.

A run is kept as its CRC-32, which is the same on every machine and run; 20 MB of text need some
200 MB of memory.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

RUN_WORDS = 5

_WORD = re.compile(r"\w+")


def word_runs(sentences: Iterable[str]) -> list[int]:
    """Returns the hashes of a document's runs of words, sorted; [] without words."""
    words = _WORD.findall(" ".join(sentences).lower())
    if not words:
        return []
    begins = range(max(1, len(words) - RUN_WORDS + 1))
    return sorted({zlib.crc32(" ".join(words[i : i + RUN_WORDS]).encode()) for i in begins})


class SeenRuns:
    """Remembers the runs of words of documents."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def share(self, runs: list[int]) -> float:
        """Returns the share of the runs that documents before had; 0 without runs."""
        return sum(map(self._seen.__contains__, runs)) / max(1, len(runs))

    def add(self, runs: list[int]) -> None:
        """Remembers the runs of a document."""
        self._seen.update(runs)
