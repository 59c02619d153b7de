"""`Outputs`: what a model gave for each example of an evaluation or of files to predict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np


class Outputs(Mapping[str, list[np.ndarray]]):
    """Rows by the name of the output, one an example, in the order of the examples.

    Rows of sequences keep the padding of the batch that they came from.

    Args:
      examples: which example each row belongs to, int [N], ascending.
      rows: by name, N arrays.
    """

    def __init__(self, examples: np.ndarray, rows: Mapping[str, Sequence[np.ndarray]]) -> None:
        self.examples = examples
        self._rows = dict(rows)

    @classmethod
    def gather(cls, steps: Iterable[Mapping[str, Any]]) -> Outputs:
        """Returns the rows of all steps.

        Args:
          steps: tensors by name, "example" among them: [B, ...], or one for each replica.
        """
        rows: dict[str, list[np.ndarray]] = {}
        for step in steps:
            for name, value in step.items():
                parts = value if isinstance(value, (tuple, list)) else (value,)
                rows.setdefault(name, []).extend(row for part in parts for row in np.asarray(part))
        # With several workers each may have seen all examples; one row of each is enough.
        examples, first = np.unique(np.array(rows.pop("example", []), int), return_index=True)
        return cls(examples, {name: [all_[i] for i in first] for name, all_ in rows.items()})

    def __getitem__(self, name: str) -> list[np.ndarray]:
        return self._rows[name]

    def __iter__(self) -> Any:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def stacked(self, name: str = "logits") -> np.ndarray:
        """Returns the rows of an output that all have one shape, [N, ...]."""
        return np.stack(self._rows[name])
