"""Layouts of an array in other formats: unchanged, transposed, or with its head axis split.

A transform works in both directions. Our layout is always a two-dimensional kernel [in, out] and a
flat bias. N is the number of attention heads and D the size of one head.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Shape = tuple[int, ...]


class Transform(NamedTuple):
    """Converts an array between our layout and another.

    Attributes:
      shape: takes our shape and the number of heads, and returns the shape in the other layout.
      transposed: whether the array is transposed rather than reshaped.
    """

    shape: Callable[[Shape, int], Shape]
    transposed: bool = False

    def to_theirs(self, array: np.ndarray, heads: int) -> np.ndarray:
        """Returns `array` in the other layout, as a view if possible."""
        shape = self.shape(array.shape, heads)
        return array.T if self.transposed else array.reshape(shape)

    def to_ours(self, array: np.ndarray, shape: Shape) -> np.ndarray:
        """Returns `array`, which is in the other layout, in our layout with `shape`."""
        return array.T if self.transposed else array.reshape(shape)


SAME = Transform(lambda shape, heads: shape)
# Linear layers of PyTorch store [out, in], and so does the sentence-order head of the original.
TRANSPOSE = Transform(lambda shape, heads: shape[::-1], transposed=True)
# Query, key and value: [..., H] -> [..., N, D].
SPLIT_LAST = Transform(lambda shape, heads: (*shape[:-1], heads, shape[-1] // heads))
# The output projection of attention: [H, ...] -> [N, D, ...].
SPLIT_FIRST = Transform(lambda shape, heads: (heads, shape[0] // heads, *shape[1:]))
