"""Converts the arrays of any format to our names and layout and back, using `names.TABLE`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats import names
from albert_tf.formats.source import Source, Stored, Weights
from albert_tf.task_types import TaskDescription


class Read(NamedTuple):
    """The weights of a source, and the names of its arrays that are not in the table."""

    weights: Weights
    unread: tuple[str, ...]


def to_ours(
    column: str,
    stored: Mapping[str, Stored],
    config: AlbertConfig,
    where: object,
    task: TaskDescription | None = None,
) -> Read:
    """Returns the arrays of one format under our names and in our layout, without reading them.

    Args:
      column: a column of `names.TABLE`.
      stored: arrays by their names in that column.
      config: determines which weights exist, and their shapes.
      where: the location that errors mention.
      task: determines the task head; None if there are only pretraining heads.

    Raises:
      InputError: a shape does not match the config.
    """
    ours, used, misfits = {}, set(), []
    for weight in names.weights(config, task):
        place = weight.places.get(column)
        if place is None or place.name not in stored:
            continue
        used.add(place.name)
        array = stored[place.name]
        expected = place.transform.shape(weight.shape, config.num_attention_heads)
        if array.shape != expected:
            misfits.append(f"{place.name}: {array.shape}, but the config requires {expected}")
        ours[weight.ours] = _stored(array, weight.shape, place.transform)
    if misfits:
        raise InputError(
            f"Weights must have the shapes that the config specifies. Received in '{where}': "
            f"{shortened(misfits, '; ')}. Check that config and weights belong to the same model."
        )
    return Read(Weights(ours), tuple(sorted(set(stored) - used)))


def to_theirs(column: str, source: Source) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the name and value of every weight of `source` as the format of `column` stores it.

    Weights that the format cannot store are omitted; `without_place` lists them.
    """
    for weight in names.weights(source.config, source.task):
        place = weight.places.get(column)
        if place is not None and weight.ours in source.weights:
            array = source.weights[weight.ours]
            yield (
                place.name,
                place.transform.to_theirs(array, source.config.num_attention_heads),
            )


def without_place(column: str, source: Source) -> tuple[str, ...]:
    """Returns our names of the weights of `source` that the format of `column` cannot store."""
    rows = names.weights(source.config, source.task)
    unsupported = {weight.ours for weight in rows if column not in weight.places}
    return tuple(name for name in source.weights if name in unsupported)


def shortened(items: list[str] | tuple[str, ...], separator: str = ", ", limit: int = 12) -> str:
    """Joins the items; of a long list, only the first ones, followed by how many more there are."""
    shown = separator.join(items[:limit])
    return shown if len(items) <= limit else f"{shown}{separator}and {len(items) - limit} more"


def _stored(array: Stored, shape: tuple[int, ...], transform: names.Transform) -> Stored:
    def read() -> np.ndarray:
        return transform.to_ours(np.asarray(array.read(), np.float32), shape)

    return Stored(shape, read)
