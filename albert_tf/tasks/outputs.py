"""`Outputs`: the model's outputs for each example of an evaluation or prediction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np


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
