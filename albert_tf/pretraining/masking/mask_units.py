"""Which pieces begin a unit of masking.

Whole-word masking masks all pieces of a unit or none. Units are the words of the tokenizer, cut
further at every piece that holds a digit or another sign, as the original does: "1995" after a
letter is a unit. The original also made a unit of every piece with a letter outside a-z; here
letters of all scripts continue a word, and scripts without spaces are the tokenizer's concern.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

# The signs that continue a unit within a longer piece, as in the original's list.
CONTINUING_SIGNS = frozenset('!"#$%&()*+,-./:;?@[\\]^_`{|}~£€')


def unit_starts(pieces: Sequence[str], word_starts: np.ndarray) -> np.ndarray:
    """Returns a flag for each id, bool [V]: true where its piece begins a unit.

    Args:
      pieces: the piece of each id.
      word_starts: the tokenizer's flags, bool [V].
    """
    cut = np.fromiter((not _continues(piece) for piece in pieces), bool, len(pieces))
    return word_starts | cut


def _continues(piece: str) -> bool:
    return all(c in CONTINUING_SIGNS or unicodedata.category(c)[0] in "LM" for c in piece)
