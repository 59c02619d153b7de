"""Distinguishes English prose from code, headings and names."""

from __future__ import annotations

import re

# Nearly all English sentences of five or more words contain one of these; lines of code do not.
_LIST = (
    "the a an of to is in and for that this it be are as with if not or on by from which can when "
    "at has will you but into its no any all than then only so should must does was have"
)
FUNCTION_WORDS = frozenset(_LIST.split())
MIN_WORDS = 3
LONG = 5
MAX_CHARACTERS = 600
MIN_SHARE_OF_LETTERS = 0.7

_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
_CODE = re.compile(
    r"https?:|www\.|[{}\\<>|$@#~^]|==|\s=|=\s|->|::|__|%\(|\w\(\w+[=,)]|\w\.\w+\.\w|\w\[\S|\w/\w+/"
)


def is_prose(sentence: str) -> bool:
    """Returns whether a sentence looks like English: letters, function words and no code.

    A short sentence must also end in punctuation; otherwise it is usually a heading or a name.
    """
    if len(sentence) > MAX_CHARACTERS or not sentence.isascii() or _CODE.search(sentence):
        return False
    if not (sentence[0].isalpha() or sentence[0] in "\"'("):
        return False
    words = _WORD.findall(sentence)
    if len(words) < MIN_WORDS or sum(map(len, words)) < MIN_SHARE_OF_LETTERS * len(sentence):
        return False
    if sentence[-1] not in ".!?:\"')" and (len(words) < LONG or sentence[-1] in ",;(-"):
        return False
    return len(words) < LONG or any(word.lower() in FUNCTION_WORDS for word in words)
