"""`EncodedExamples`, labelled texts as ids in memory, and `Outputs`, what a model makes of them.

Axes: N examples, B batch, C rows of an example (choices or windows), S the longest row of a batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from albert_tf.data.row_report import RowReport

# Widths are rounded up to a multiple of this, which adds a little padding but leaves fewer shapes
# to prepare kernels for.
WIDTH_STEP = 4


class Ragged(NamedTuple):
    """Rows of different lengths in one array: row i is `values[splits[i]:splits[i + 1]]`."""

    values: np.ndarray
    splits: np.ndarray

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[int]]) -> Ragged:
        """Flattens rows, which are lists or arrays, to int32."""
        splits = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=splits[1:])
        # Iterating over the elements of arrays takes 40 times as long.
        if len(rows) and isinstance(rows[0], np.ndarray):
            return cls(np.concatenate(rows).astype(np.int32, copy=False), splits)
        return cls(np.fromiter(itertools.chain.from_iterable(rows), np.int32, splits[-1]), splits)

    @property
    def lengths(self) -> np.ndarray:
        """The length of each row, int64 [N]."""
        return np.diff(self.splits)

    def padded(self, rows: np.ndarray, width: int, fill: int) -> np.ndarray:
        """Returns the rows at the given indices, padded at the end with `fill`, [R, width]."""
        begin, lengths = self.splits[rows, np.newaxis], self.lengths[rows, np.newaxis]
        position = np.arange(width)
        inside = position < lengths
        return np.where(inside, self.values[np.where(inside, begin + position, 0)], fill)


class EncodedExamples:
    """The tokenised examples of a task.

    Args:
      ids: the ids of each row, including special tokens. The rows of an example are adjacent.
      second_starts: where the second segment of each row begins; None if rows have one segment.
      labels: arrays by name, with one entry for each example [N, ...], or a `Ragged` with one entry
        for each token (padded with -1).
      choices: C, the number of rows of an example; None for one row, and batches without this axis.
      sources: what each example was made from, for answers and messages: one for each, or none.
      report: what became of the rows that were read; None if the task does not say.
      windows: the number of rows of each example, if that differs; C is then the largest number in
        a batch, and the rows that an example lacks are padding.
    """

    def __init__(
        self,
        ids: Sequence[Sequence[int]],
        second_starts: Sequence[int] | None = None,
        labels: Mapping[str, np.ndarray | Ragged] | None = None,
        choices: int | None = None,
        sources: Sequence[Any] = (),
        report: RowReport | None = None,
        windows: Sequence[int] | None = None,
    ) -> None:
        self.ids = Ragged.from_rows(ids)
        self.second_starts = self.ids.lengths
        if second_starts is not None:
            self.second_starts = np.asarray(second_starts, np.int64)
        self.labels = dict(labels or {})
        self.choices = choices
        self.sources = sources
        self.report = report
        self.windows = None if windows is None else np.asarray(windows, np.int64)
        if self.windows is None:
            self.lengths = self.ids.lengths.reshape(-1, choices or 1).max(axis=1, initial=0)
        else:
            self._starts = np.cumsum(self.windows) - self.windows
            ends = self.ids.splits[self._starts + self.windows]
            self.lengths = ends - self.ids.splits[self._starts]

    def __len__(self) -> int:
        return len(self.lengths)

    def followed_by(self, others: EncodedExamples) -> EncodedExamples:
        """Returns these examples and others, which have 0 for labels that they lack (-1 for each
        token if there is one for each).
        """
        mine, theirs = self.ids, others.ids
        splits = np.concatenate([mine.splits, mine.splits[-1] + theirs.splits[1:]])
        labels: dict[str, Any] = {}
        for name, values in self.labels.items():
            more = others.labels.get(name)
            if isinstance(values, Ragged):
                more = np.full_like(theirs.values, -1) if more is None else more.values
                labels[name] = Ragged(np.concatenate([values.values, more]), splits)
                continue
            if more is None:
                more = np.zeros([len(others), *values.shape[1:]], values.dtype)
            labels[name] = np.concatenate([values, more])
        windows = None
        if self.windows is not None:
            windows = np.concatenate([self.windows, others.windows])
        rows = [examples.ids.values[a:b] for examples in (self, others)
                for a, b in itertools.pairwise(examples.ids.splits)]  # fmt: skip
        return EncodedExamples(
            rows,
            np.concatenate([self.second_starts, others.second_starts]),
            labels,
            self.choices,
            [*self.sources, *others.sources],
            self.report,
            windows,
        )

    @property
    def row_axes(self) -> tuple[int | None, ...]:
        """The axes of a batch between B and S: C, which windows leave open, or none."""
        if self.windows is not None:
            return (None,)
        return (self.choices,) if self.choices else ()

    def batch(self, examples: np.ndarray, width: int | None = None) -> dict[str, np.ndarray]:
        """Returns the encoder inputs and the labels of some examples.

        Args:
          examples: the indices of the examples, int [B].
          width: S; the length of the longest row by default, rounded up to a multiple of
            `WIDTH_STEP`.

        Returns:
          "input_word_ids", "input_mask" and "input_type_ids", int32 [B, S], or [B, C, S] with
          choices or windows; "example", the indices, int32 [B]; and the labels.
        """
        rows, exists = examples, None
        if self.choices:
            rows = (examples[:, np.newaxis] * self.choices + np.arange(self.choices)).ravel()
        if self.windows is not None:
            counts = self.windows[examples, np.newaxis]
            number = np.arange(counts.max(initial=1))
            exists = (number < counts).reshape(-1, 1)
            # A row that does not exist stands for one that does until it is cleared.
            number = np.minimum(number, counts - 1)
            rows = (self._starts[examples, np.newaxis] + number).ravel()
        lengths = self.ids.lengths[rows, np.newaxis]
        if width is None:
            width = -(-int(lengths.max(initial=1)) // WIDTH_STEP) * WIDTH_STEP
        position = np.arange(width)
        mask = position < lengths
        types = (position >= self.second_starts[rows, np.newaxis]) & mask
        batch = {
            "input_word_ids": self.ids.padded(rows, width, 0),
            "input_mask": mask.astype(np.int32),
            "input_type_ids": types.astype(np.int32),
        }
        if exists is not None:
            batch = {name: np.where(exists, value, 0) for name, value in batch.items()}
        if self.row_axes:
            shape = (len(examples), -1, width)
            batch = {name: value.reshape(shape) for name, value in batch.items()}
        batch["example"] = examples.astype(np.int32)
        for name, values in self.labels.items():
            ragged = isinstance(values, Ragged)
            batch[name] = values.padded(examples, width, -1) if ragged else values[examples]
        return batch


class Outputs(Mapping[str, list[np.ndarray]]):
    """The rows of each output by name, one row for each example, in the order of the examples.

    Rows with a sequence axis keep the padding of the batch that they came from.

    Args:
      examples: the index of the example that each row belongs to, int [N], ascending.
      rows: N arrays for each output name.
    """

    def __init__(self, examples: np.ndarray, rows: Mapping[str, Sequence[np.ndarray]]) -> None:
        self.examples = examples
        self._rows = dict(rows)

    @classmethod
    def gather(cls, steps: Iterable[Mapping[str, Any]]) -> Outputs:
        """Returns the rows of all steps.

        Args:
          steps: tensors by name, including "example". Each is one tensor [B, ...] or a list with
            one for each replica.
        """
        rows: dict[str, list[np.ndarray]] = {}
        for step in steps:
            for name, value in step.items():
                parts = value if isinstance(value, (tuple, list)) else (value,)
                rows.setdefault(name, []).extend(row for part in parts for row in np.asarray(part))
        # With several workers, each may process all examples. Keep one row for each example.
        examples, first = np.unique(np.array(rows.pop("example", []), int), return_index=True)
        return cls(examples, {name: [all_[i] for i in first] for name, all_ in rows.items()})

    @classmethod
    def same(cls, count: int, **rows: np.ndarray) -> Outputs:
        """Returns outputs that are the same for each of `count` examples."""
        return cls(np.arange(count), {name: [row] * count for name, row in rows.items()})

    def __getitem__(self, name: str) -> list[np.ndarray]:
        return self._rows[name]

    def __iter__(self) -> Any:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def stacked(self, name: str = "logits") -> np.ndarray:
        """Returns the rows of an output as one array, [N, ...]; they must have the same shape."""
        return np.stack(self._rows[name])
