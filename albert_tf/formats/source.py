"""The result of reading a model: `Source`, whose weights are each read only when accessed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from albert_tf.config import AlbertConfig
from albert_tf.formats import names
from albert_tf.task_types import TaskDescription
from albert_tf.tokenization.settings import Preprocessing


class Stored(NamedTuple):
    """An array in a file: its shape, and a function that reads it."""

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


class Weights(Mapping[str, np.ndarray]):
    """Arrays by name. Every access reads the file again, so no array is kept in memory."""

    def __init__(self, stored: Mapping[str, Stored]) -> None:
        self._stored = dict(stored)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._stored[name].read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def shape(self, name: str) -> tuple[int, ...]:
        """Returns the shape of a weight without reading it."""
        return self._stored[name].shape

    @property
    def parameters(self) -> int:
        """The total number of parameters."""
        return sum(int(np.prod(stored.shape)) for stored in self._stored.values())

    @property
    def size(self) -> int:
        """The number of bytes of all weights in float32."""
        return 4 * self.parameters


@dataclasses.dataclass(frozen=True)
class Source:
    """A saved model of any format, with its weights under our names.

    Attributes:
      format: the name of the format, a key of `load.FORMATS`.
      path: the location of the model.
      config: sizes and rates.
      weights: float32 arrays by our names (`names.TABLE`), in our layout.
      unread: names of arrays that are not in the table; `assign` rejects them.
      skipped: the number of arrays that are not weights, by kind, such as optimizer slots.
      model_file: the vocabulary stored with the weights, if any.
      preprocessing: how text must be preprocessed, if the source specifies it.
      epsilon: the epsilon of the layer norms by part ("encoder", "masked_lm"); 1e-12 if absent.
      classifier_dropout: the dropout rate before a classifier, if the source specifies it.
      task: the task of a fine-tuned model; None if there is no task head.
      step: the training step, if the source records it.
      notes: information for the user, such as which form of gelu is used.
    """

    format: str
    path: Path
    config: AlbertConfig
    weights: Weights
    unread: tuple[str, ...] = ()
    skipped: Mapping[str, int] = dataclasses.field(default_factory=dict)
    model_file: Path | None = None
    preprocessing: Preprocessing | None = None
    epsilon: Mapping[str, float] = dataclasses.field(default_factory=dict)
    classifier_dropout: float | None = None
    task: TaskDescription | None = None
    step: int | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """What was read, for the user."""
        step = "" if self.step is None else f", step {self.step}"
        return f"'{self.path}' ({self.format}{step})"

    @property
    def parts(self) -> dict[str, str]:
        """The part ("encoder" or a head) of every weight that a model of this config can have."""
        rows = names.weights(self.config, self.task)
        return {weight.ours: names.head(weight.ours) or "encoder" for weight in rows}

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads, of pretraining or of the task, whose weights are complete."""
        needed: dict[str, set[str]] = {}
        for name, part in self.parts.items():
            if part != "encoder":
                needed.setdefault(part, set()).add(name)
        return tuple(head for head, all_ in needed.items() if all_ <= set(self.weights))
