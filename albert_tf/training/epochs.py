"""Converts epochs over the examples of tables to numbers of steps; called from gin files."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

from official.core import task_factory

from albert_tf.config import AlbertConfig
from albert_tf.data import tables
from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.files import expand
from albert_tf.tasks.fine_tuning_config import FineTuningConfig
from albert_tf.tasks.starting_point import StartingPoint


def steps(
    input_path: str | Sequence[str],
    batch_size: int,
    epochs: float,
    task: FineTuningConfig | None = None,
    eval_fraction: float = 0.0,
    unlabelled: str | Sequence[str] = "",
) -> int:
    """Returns the number of training steps for `epochs` passes over the examples of tables.

    Args:
      input_path: glob of CSV, TSV or JSON Lines files, or a list of them.
      batch_size: examples per step.
      epochs: number of passes.
      task: the config of the task, which says which rows are left out; None to count all rows.
      eval_fraction: the fraction of the examples that is held out.
      unlabelled: files of further examples, without labels.

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
    settings = "" if task is None else repr(task.as_dict())
    count = _count(_Data(patterns, settings, task))
    count -= round(eval_fraction * count)
    if unlabelled:
        paths = unlabelled if isinstance(unlabelled, str) else tuple(unlabelled)
        count += _count(_Data(paths, settings, task, labelled=False))
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


@dataclasses.dataclass(frozen=True)
class _Data:
    """Files and the config of the task that reads them, which is compared by its settings."""

    input_path: str | tuple[str, ...]
    settings: str
    task: FineTuningConfig | None = dataclasses.field(compare=False)
    labelled: bool = True


@functools.lru_cache  # Gin calls it once for each use of the macro.
def _count(data: _Data) -> int:
    if not data.input_path:
        raise InputError(
            "EPOCHS counts the examples of TRAIN_DATA, so TRAIN_DATA must be set. Received "
            f"TRAIN_DATA={data.input_path!r}. Set it, or set TRAIN_STEPS, WARMUP_STEPS and "
            "EVAL_INTERVAL instead of EPOCHS."
        )
    count = sum(1 for _ in _rows(data))
    if not count:
        raise InputError(
            f"TRAIN_DATA must have rows. Received {data.input_path!r} with 0 rows that can be "
            "used. Check the files."
        )
    return count


def _rows(data: _Data) -> Any:
    """Yields the rows that the task trains on, or all rows."""
    if data.task is None:
        for path in expand(data.input_path):
            yield from tables.read(path, (), report=RowReport(skip_broken=True))
        return
    config = copy.deepcopy(data.task)
    config.train_data.input_path = data.input_path
    task = task_factory.get_task(config)
    task.start_from(StartingPoint(AlbertConfig(), None))  # Reading needs no weights.
    report = task.new_report(labelled=data.labelled)
    yield from task.rows(config.train_data, data.labelled, report)
