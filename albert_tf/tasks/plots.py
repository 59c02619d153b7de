"""Writes figures atomically, without a display."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from albert_tf.files import replacing


@contextlib.contextmanager
def figure(path: Path, size: tuple[float, float] = (5.0, 4.0)) -> Iterator[Any]:
    """Yields matplotlib axes and writes them to `path`, a PNG, if the block succeeds.

    Args:
      path: the file to write.
      size: the width and height in inches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=size, layout="tight")
    FigureCanvasAgg(drawn)
    yield drawn.subplots()
    with replacing(path) as temporary:
        drawn.savefig(temporary, format="png", dpi=120)
