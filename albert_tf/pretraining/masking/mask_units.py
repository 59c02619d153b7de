"""Determines which pieces begin a masking unit.

Whole-word masking masks all pieces of a unit or none. Units are the words of the tokenizer, split
further at every piece that contains a digit or another sign, as in the original: "1995" after a
letter is a unit. The original also treats every piece with a letter outside a-z as a unit; here
letters of all scripts continue a word, and the tokenizer handles scripts without spaces.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

# The signs that continue a unit inside a longer piece, as listed in the original.
CONTINUING_SIGNS = frozenset('!"#$%&()*+,-./:;?@[\\]^_`{|}~£€')


def unit_starts(pieces: Sequence[str], word_starts: np.ndarray) -> np.ndarray:
    """Returns, for each id, whether its piece begins a unit, bool [V].

    Args:
      pieces: the piece of each id.
      word_starts: the flags of the tokenizer, bool [V].
    """
    cut = np.fromiter((not _continues(piece) for piece in pieces), bool, len(pieces))
    return word_starts | cut


def _continues(piece: str) -> bool:
    return all(c in CONTINUING_SIGNS or unicodedata.category(c)[0] in "LM" for c in piece)
