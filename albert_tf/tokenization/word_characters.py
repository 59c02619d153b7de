"""The characters of words: letters, digits, marks and "_"."""

from __future__ import annotations

import functools
import re
import unicodedata

import numpy as np

# A letter, digit, mark or "_", for RE2.
WORD_CHARACTER = r"[\pL\pM\pN_]"


@functools.cache
def _words() -> re.Pattern[str]:
    r"""Returns the expression of words; Python's \w has no marks, such as the vowels of Hindi."""
    ranges: list[list[int]] = []
    for code in range(0x300, 0x110000):
        if unicodedata.category(chr(code))[0] == "M":
            if not ranges or ranges[-1][1] != code - 1:
                ranges.append([code, code])
            ranges[-1][1] = code
    marks = "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
    return re.compile(f"[\\w{marks}]+")


def words_of(text: str) -> list[str]:
    """Returns the words of a text: runs of letters, digits, marks and "_"."""
    return _words().findall(text)


@functools.cache
def table() -> np.ndarray:
    """Returns for every code point whether it is a character of words, bool [0x110000]."""
    result = np.zeros(0x110000, bool)
    for match in _words().finditer("".join(map(chr, range(0x110000)))):
        result[slice(*match.span())] = True
    return result


def is_word(text: str) -> bool:
    """Returns whether a text has characters of words only, and at least one."""
    if text.replace("_", "a").isalnum():
        return True
    return not text.isascii() and bool(_words().fullmatch(text))
