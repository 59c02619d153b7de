"""How one array lies in another format: the same, transposed, or with its head axis split.

A transform knows both directions. Ours is always the two-dimensional kernel [in, out] and the flat
bias; N is the number of attention heads and D the size of one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Shape = tuple[int, ...]


class Transform(NamedTuple):
    """Takes an array from our layout to another one.

    Attributes:
      shape: (our shape, heads) -> their shape.
      transposed: whether the last two axes change places besides.
    """

    shape: Callable[[Shape, int], Shape]
    transposed: bool = False

    def to_theirs(self, array: np.ndarray, heads: int) -> np.ndarray:
        """Returns `array` in their layout; a view where that is possible."""
        shape = self.shape(array.shape, heads)
        return array.T if self.transposed else array.reshape(shape)

    def to_ours(self, array: np.ndarray, shape: Shape) -> np.ndarray:
        """Returns `array`, which lies as theirs, as ours of `shape`."""
        return array.T if self.transposed else array.reshape(shape)


SAME = Transform(lambda shape, heads: shape)
# Linear layers of PyTorch hold [out, in], and so does the sentence-order head of the original.
TRANSPOSE = Transform(lambda shape, heads: shape[::-1], transposed=True)
# Query, key and value: [..., H] -> [..., N, D].
SPLIT_LAST = Transform(lambda shape, heads: (*shape[:-1], heads, shape[-1] // heads))
# The projection behind attention: [H, ...] -> [N, D, ...].
SPLIT_FIRST = Transform(lambda shape, heads: (heads, shape[0] // heads, *shape[1:]))
