"""Finding documents whose text has been seen before, in a stream, by runs of five words.

A run is kept if its hash is a multiple of `SAMPLING`, so that a corpus of 20 MB needs some 100 MB
of memory at most; a document without such a run is represented by its smallest hash. Hashes are
CRC-32, equal on every machine and run.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

RUN_WORDS = 5
SAMPLING = 4

_WORD = re.compile(r"\w+")


def shingles(sentences: Iterable[str]) -> list[int]:
    """Returns the sampled hashes of a document's runs of words, sorted; [] without words."""
    words = _WORD.findall(" ".join(sentences).lower())
    if not words:
        return []
    runs = range(max(1, len(words) - RUN_WORDS + 1))
    hashes = {zlib.crc32(" ".join(words[i : i + RUN_WORDS]).encode()) for i in runs}
    return sorted(h for h in hashes if h % SAMPLING == 0) or [min(hashes)]


class NearCopies:
    """Remembers the text of the parts of a split and tells near-copies of it.

    Attributes:
      max_within: a document is a copy if more than this share of its runs stood before in its own
        part. One half: rewritten docstrings of sibling classes pass, copies with a name changed
        do not.
      max_across: the same share for the other parts; stricter, as held-out text must be new.
    """

    def __init__(self, max_within: float = 0.5, max_across: float = 0.2) -> None:
        self.max_within = max_within
        self.max_across = max_across
        self._seen: dict[str, set[int]] = {}

    def add(self, part: str, runs: list[int]) -> bool:
        """Tells whether the document is new; if it is, its runs count as seen in `part`."""
        own = self._seen.setdefault(part, set())
        for seen in self._seen.values():
            allowed = self.max_within if seen is own else self.max_across
            if runs and sum(run in seen for run in runs) > allowed * len(runs):
                return False
        own.update(runs)
        return True
