"""`WordFinder`: finds the words of a set in text.

A text is looked at as an array of code points. Of each run of characters of words, the first two,
the last two and the length are compared with those of the set, for all runs at once; few are left
to be looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from albert_tf.tokenization.word_characters import is_word, table

_SEPARATOR = "\0"  # is in no word
_SHORT = 2000  # characters, up to which the runs of a text are looked up faster than in arrays
_RUN = re.compile(r"\w+", re.ASCII)
_KEY_BITS = 16


class WordFinder:
    """Finds the words of a set where they stand as whole words.

    Args:
      words: the words, which have characters of words only.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = {*words}
        self._ascii_words = {word.encode() for word in self._words if word.isascii()}
        self._keys = np.zeros(1 << _KEY_BITS, bool)
        self._keys[_runs(_SEPARATOR.join(["", *self._words, ""]))[2]] = True

    def find(self, text: str) -> list[tuple[int, int]]:
        """Returns where words begin and end, in ascending order.

        Args:
          text: a text that begins and ends with a character that is in no word.
        """
        if len(text) <= _SHORT and text.isascii():
            if self._ascii_words.isdisjoint(text.encode().translate(_TO_RUNS).split()):
                return []
            return [run.span() for run in _RUN.finditer(text) if run.group() in self._words]
        begins, ends, keys = _runs(text)
        where = self._keys[keys].nonzero()[0]
        places = zip(begins[where].tolist(), ends[where].tolist())
        return [(begin, end) for begin, end in places if text[begin:end] in self._words]


def _runs(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns where runs of characters of words begin and end, and a key of each, [R] each."""
    if text.isascii():
        data = text.encode()
        codes = np.frombuffer(data, np.uint8)
        in_word = np.frombuffer(data.translate(_IN_WORD), bool)
    else:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        in_word = table()[codes]
    edges = (in_word[1:] != in_word[:-1]).nonzero()[0] + 1
    begins, ends = edges[::2], edges[1::2]
    last = ends - 1
    keys = (ends - begins).astype(np.uint32)
    for places in (begins, np.minimum(begins + 1, last), np.maximum(last - 1, begins), last):
        keys = (keys ^ codes[places]) * np.uint32(0x9E3779B1)
    return begins, ends, keys >> np.uint32(32 - _KEY_BITS)


_IN_WORD = bytes(code < 128 and is_word(chr(code)) for code in range(256))
_TO_RUNS = bytes(code if inside else ord(" ") for code, inside in enumerate(_IN_WORD))
