"""Determines which pieces begin a word, for whole-word masking and tagging."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from albert_tf.tokenization.digit_comma import SPACE
from albert_tf.tokenization.wordpiece import CONTINUES

# Scripts written without spaces: each piece counts as a word, as in the original.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR")


def word_starts(
    pieces: Sequence[str], special_ids: Sequence[int], wordpiece: bool = False
) -> np.ndarray:
    """Returns, for each id, whether its piece begins a word, bool [V].

    A piece of WordPiece begins a word unless it starts with "##". One of SentencePiece does if it
    starts with "▁", if it is a single punctuation mark or symbol, or if its first character belongs
    to a script that is written without spaces. Special ids count as words. Pieces such as "ö" or
    "ß" within a word do not begin one. (The original treats every piece that is not made of English
    letters as a separate word.)
    """
    begins = _begins_word_of_bert if wordpiece else _begins_word
    flags = np.fromiter((begins(piece) for piece in pieces), bool, len(pieces))
    flags[list(special_ids)] = True
    return flags


def _begins_word(piece: str) -> bool:
    first = piece[0]
    if first == SPACE:
        return True
    if len(piece) == 1 and unicodedata.category(first)[0] in "PS":
        return True
    return unicodedata.name(first, "").startswith(_UNSPACED)


def _begins_word_of_bert(piece: str) -> bool:
    return not piece.startswith(CONTINUES)
