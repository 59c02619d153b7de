"""Converts epochs over the examples of tables to numbers of steps; called from gin files."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from albert_tf.data import tables
from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.files import expand
from albert_tf.tasks.classification.config import (
    ClassificationConfig,
    label_columns,
    may_have_several,
    skipped_labels,
)
from albert_tf.tasks.classification.data import joined, labelled_texts


def steps(
    input_path: str | Sequence[str],
    batch_size: int,
    epochs: float,
    task: ClassificationConfig | None = None,
    eval_fraction: float = 0.0,
) -> int:
    """Returns the number of training steps for `epochs` passes over the examples of tables.

    Args:
      input_path: glob of CSV, TSV or JSON Lines files, or a list of them.
      batch_size: examples per step.
      epochs: number of passes.
      task: the config of the task, which says which rows are left out; None to count all rows.
      eval_fraction: the fraction of the examples that is held out.

    Raises:
      InputError: there are no rows, a file is not readable, or a number is not positive.
    """
    if batch_size < 1 or epochs <= 0:
        raise InputError(
            "BATCH_SIZE must be at least 1 and EPOCHS positive. Received "
            f"BATCH_SIZE={batch_size}, EPOCHS={epochs}."
        )
    if not 0 <= eval_fraction < 1:
        raise InputError(
            "EVAL_FRACTION must be at least 0 and less than 1. Received "
            f"EVAL_FRACTION={eval_fraction}. Correct it."
        )
    patterns = input_path if isinstance(input_path, str) else tuple(input_path)
    count = _count(patterns, *(_arguments(task) if task else ()))
    count -= round(eval_fraction * count)
    return math.ceil(math.ceil(count / batch_size) * epochs)


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


def _arguments(task: ClassificationConfig) -> tuple:
    """Returns the settings that leave rows out, for `_count`."""
    texts = (task.text, task.second_text) if task.second_text else (task.text,)
    several = may_have_several(task) or bool(task.label_separator)
    return (
        *(
            texts,
            label_columns(task),
            task.problem == "regression",
            tuple(task.header),
            task.skip_broken_rows,
        ),
        *(frozenset(skipped_labels(task)), several, task.label_separator),
    )


@functools.lru_cache  # Gin calls it once for each use of the macro.
def _count(
    input_path: str | tuple[str, ...],
    texts: tuple[str, ...] = (),
    labels: tuple[str, ...] = (),
    are_numbers: bool = False,
    header: tuple[str, ...] = (),
    skip_broken: bool = True,
    *of_labels: Any,
) -> int:
    if not input_path:
        raise InputError(
            "EPOCHS counts the examples of TRAIN_DATA, so TRAIN_DATA must be set. Received "
            f"TRAIN_DATA={input_path!r}. Set it, or set TRAIN_STEPS, WARMUP_STEPS and "
            "EVAL_INTERVAL instead of EPOCHS."
        )
    report, count = RowReport(skip_broken=skip_broken), 0
    for path in expand(input_path):
        columns, label = (*texts, *labels), ",".join(labels)
        rows = tables.without_repeats(tables.read(path, columns, header, report), report, False)
        if len(labels) > 1:
            rows = joined(rows, labels, label, are_numbers, report)
        count += sum(1 for _ in labelled_texts(rows, texts, label, report, "", *of_labels))
    if not count:
        raise InputError(
            f"TRAIN_DATA must have rows. Received {input_path!r} with 0 rows that can be used. "
            "Check the files."
        )
    return count
