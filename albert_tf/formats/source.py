"""What a reader hands over: `Source`, and the weights in it, each read when it is asked for."""

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
    """An array that lies in a file: its shape, and how to read it."""

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


class Weights(Mapping[str, np.ndarray]):
    """Arrays by name. Each access reads from the file again, so that at most one is held here."""

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
        """Numbers in all weights together."""
        return sum(int(np.prod(stored.shape)) for stored in self._stored.values())


@dataclasses.dataclass(frozen=True)
class Source:
    """A model that lies somewhere, in our names.

    Attributes:
      format: name of the format, a key of `load.FORMATS`.
      path: where it lies.
      config: sizes and rates.
      weights: float32 arrays by our names (`names.TABLE`), in our layout.
      unread: names in the source that the table does not know, which `assign` refuses.
      skipped: what is no weight of the model, counted by kind, such as optimizer slots.
      model_file: the SentencePiece model that lies with it, if any.
      preprocessing: how text is treated before it, as far as the source tells.
      epsilon: of the layer norms by part ("encoder", "masked_lm"); 1e-12 where absent.
      classifier_dropout: rate before a classifier, if the source tells.
      task: what the head of a fine-tuned model answers; None without such a head.
      step: training step, if the source tells.
      notes: what a user should know, such as which gelu was taken.
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

    @property
    def parts(self) -> dict[str, str]:
        """The part, "encoder" or a head, of every weight that a model of this config may have."""
        rows = names.weights(self.config, self.task)
        return {weight.ours: names.head(weight.ours) or "encoder" for weight in rows}

    @property
    def heads(self) -> tuple[str, ...]:
        """Heads, of pretraining or of the task, whose weights are all there."""
        needed: dict[str, set[str]] = {}
        for name, part in self.parts.items():
            if part != "encoder":
                needed.setdefault(part, set()).add(name)
        return tuple(head for head, all_ in needed.items() if all_ <= set(self.weights))
