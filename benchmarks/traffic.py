"""The batches for measuring inference.

The lengths in padded batches follow the docstrings of installed Python packages, in tokens of a
vocabulary of 8000 pieces. The lists below contain every fifth percentile, for pairs of neighbouring
sentences, as in sentence-pair tasks, and for whole documents.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

PAIRS = (11, 17, 19, 21, 23, 25, 26, 28, 29, 31, 33, 35, 37, 39, 42, 45, 48, 53, 59, 69, 259)
DOCUMENTS = (
    *(10, 20, 24, 28, 32, 36, 40, 45, 50, 55, 61, 68, 76, 86, 97, 112, 133, 161, 206, 316, 3077),
)


class Shape(NamedTuple):
    """B rows of S positions: full, or padded, with lengths drawn from a list of percentiles."""

    batch: int
    length: int
    percentiles: tuple[int, ...] | None = None


SHAPES = {
    "1x16": Shape(1, 16),
    "1x128": Shape(1, 128),
    "8x128": Shape(8, 128),
    "32x128": Shape(32, 128),
    "8x512": Shape(8, 512),
    "32x128-pairs": Shape(32, 128, PAIRS),
    "16x512-documents": Shape(16, 512, DOCUMENTS),
}
# For the cost by real tokens. With the 32 rows above, each batch is twice as large as the previous.
SCALING = {f"{batch}x128-pairs": Shape(batch, 128, PAIRS) for batch in (4, 8, 16, 64)}


def batch(shape: Shape, vocab_size: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Returns ids, mask and type ids, int32 [B, S], named as in the released TF1 modules."""
    rng = np.random.default_rng(seed)
    size = shape.batch, shape.length
    lengths = np.full(shape.batch, shape.length)
    if shape.percentiles:
        marks = np.linspace(0.0, 1.0, len(shape.percentiles))
        lengths = np.interp(rng.random(shape.batch), marks, shape.percentiles)
        lengths = lengths.astype(int).clip(1, shape.length)
    mask = (np.arange(shape.length) < lengths[:, np.newaxis]).astype(np.int32)
    ids = rng.integers(5, vocab_size, size, np.int32) * mask
    second = np.arange(shape.length) >= lengths[:, np.newaxis] // 2
    return dict(input_ids=ids, input_mask=mask, segment_ids=(second * mask).astype(np.int32))
