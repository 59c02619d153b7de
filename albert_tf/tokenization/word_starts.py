"""Which pieces begin a word: the table that whole-word masking and tagging read."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from albert_tf.tokenization.digit_comma import SPACE

# Scripts written without spaces: each piece counts as a word, as in the original.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR")


def word_starts(pieces: Sequence[str], special_ids: Sequence[int]) -> np.ndarray:
    """Returns a flag for each id, bool [V]: true where the piece begins a word.

    A piece begins a word if it begins with "▁", if it is a single mark of punctuation or a symbol,
    or if its first character belongs to a script that is written without spaces. Special ids count
    as words. Pieces such as "ö" or "ß" within a word do not, where the original counted every
    piece that is not English letters as a word of its own.
    """
    flags = np.fromiter((_begins_word(piece) for piece in pieces), bool, len(pieces))
    flags[list(special_ids)] = True
    return flags


def _begins_word(piece: str) -> bool:
    first = piece[0]
    if first == SPACE:
        return True
    if len(piece) == 1 and unicodedata.category(first)[0] in "PS":
        return True
    return unicodedata.name(first, "").startswith(_UNSPACED)
