"""Cutting plain English text into sentences, and telling prose from code."""

from __future__ import annotations

import re

ABBREVIATIONS = frozenset(
    (
        *(
            "e.g",
            "i.e",
            "etc",
            "vs",
            "cf",
            "al",
            "approx",
            "resp",
            "fig",
            "eq",
            "eqs",
            "sec",
            "ref",
        ),
        *("refs", "no", "vol", "pp", "dr", "mr", "mrs", "st", "inc", "incl", "dept", "esp", "viz"),
    )
)
# English sentences of five words and more nearly always hold one of these; lines of code do not.
FUNCTION_WORDS = frozenset(
    (
        *(
            "the",
            "a",
            "an",
            "of",
            "to",
            "is",
            "in",
            "and",
            "for",
            "that",
            "this",
            "it",
            "be",
            "are",
        ),
        *("as", "with", "if", "not", "or", "on", "by", "from", "which", "can", "when", "at", "has"),
        *("will", "you", "but", "into", "its", "no", "any", "all", "than", "then", "only", "so"),
        *("should", "must", "does", "was", "have"),
    )
)
MIN_WORDS = 3
LONG = 5
MAX_CHARACTERS = 600
MIN_SHARE_OF_LETTERS = 0.7

_BOUNDARY = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])")
_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
_CODE = re.compile(
    r"https?:|www\.|[{}\\<>|$@#~^]|==|\s=|=\s|->|::|__|%\(|\w\(\w+[=,)]|\w\.\w+\.\w|\w\[\S|\w/\w+/"
)


def split_sentences(paragraph: str) -> list[str]:
    """Returns the sentences of a paragraph of plain text.

    A cut is made after ., ! or ? (and closing quotes) before white space and a capital, a digit or
    an opening quote, except after an abbreviation or a single letter. This is enough for edited
    technical English; it is not a general splitter.
    """
    found = []
    start = 0
    for boundary in _BOUNDARY.finditer(paragraph):
        before = paragraph[start : boundary.start()].rsplit(None, 1)[-1]
        word = before.rstrip(".").lstrip("(\"'").lower()
        if before.endswith(".") and (word in ABBREVIATIONS or (len(word) == 1 and word.isalpha())):
            continue
        found.append(paragraph[start : boundary.end()].strip())
        start = boundary.end()
    rest = paragraph[start:].strip()
    return [*found, rest] if rest else found


def is_prose(sentence: str) -> bool:
    """Tells whether a sentence reads like English: letters, function words, no code.

    A short one must also have an end; without it, it is mostly a heading or a name.
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
