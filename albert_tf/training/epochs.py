"""Converts epochs over a training table to numbers of steps; called from gin files."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

from albert_tf.data import tables
from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.files import expand


def steps(input_path: str | Sequence[str], batch_size: int, epochs: float) -> int:
    """Returns the number of training steps for `epochs` passes over the rows of tables.

    Args:
      input_path: glob of CSV, TSV or JSON Lines files, or a list of them.
      batch_size: rows per step.
      epochs: number of passes.

    Raises:
      InputError: there are no rows, a file is not readable, or a number is not positive.
    """
    if batch_size < 1 or epochs <= 0:
        raise InputError(
            "BATCH_SIZE must be at least 1 and EPOCHS positive. Received "
            f"BATCH_SIZE={batch_size}, EPOCHS={epochs}."
        )
    patterns = input_path if isinstance(input_path, str) else tuple(input_path)
    return math.ceil(math.ceil(_rows(patterns) / batch_size) * epochs)


def share(steps: int, share: float = 1.0, parts: int = 1) -> int:
    """Returns a fraction of `steps`, or one of several equal parts of them; at least 1.

    Raises:
      InputError: a number is out of its range.
    """
    if not 0 <= share <= 1 or parts < 1:
        raise InputError(
            "WARMUP_SHARE must lie in [0, 1], and EVALUATIONS must be at least 1. Received "
            f"{share=}, {parts=}. Change WARMUP_SHARE or EVALUATIONS."
        )
    return max(1, math.ceil(steps * share / parts))


@functools.lru_cache  # Gin calls it once for each use of the macro.
def _rows(input_path: str | tuple[str, ...]) -> int:
    if not input_path:
        raise InputError(
            "EPOCHS counts the rows of TRAIN_DATA, so TRAIN_DATA must be set. Received "
            f"TRAIN_DATA={input_path!r}. Set it, or set TRAIN_STEPS, WARMUP_STEPS and "
            "EVAL_INTERVAL instead of EPOCHS."
        )
    report = RowReport(skip_broken=True)
    count = sum(1 for path in expand(input_path) for _ in tables.read(path, (), report=report))
    if not count:
        raise InputError(
            f"TRAIN_DATA must have rows. Received {input_path!r} with 0 rows. Check the files."
        )
    return count
