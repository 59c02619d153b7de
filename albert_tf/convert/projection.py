"""The projection behind the embeddings where it would change nothing.

The original leaves it out where embedding width and hidden size are equal, and so does this
package; Hugging Face and KerasHub always have one. There it is written as the identity, and
read back as none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from albert_tf.config import AlbertConfig
from albert_tf.convert import names
from albert_tf.convert.source import Stored
from albert_tf.errors import InputError


def is_left_out(config: AlbertConfig) -> bool:
    """Whether the model has no projection here."""
    return config.embedding_size == config.hidden_size


def identity(column: str, config: AlbertConfig) -> Iterator[tuple[str, np.ndarray]]:
    """Yields kernel and bias that change nothing, by the names of a column of the table."""
    if is_left_out(config):
        kernel, bias = _names(column)
        yield kernel, np.eye(config.hidden_size, dtype=np.float32)
        yield bias, np.zeros(config.hidden_size, np.float32)


def without_identity(
    column: str, stored: Mapping[str, Stored], config: AlbertConfig
) -> dict[str, Stored]:
    """Returns the arrays without the projection, if the model has none here.

    Raises:
      InputError: the projection changes something.
    """
    if not is_left_out(config):
        return dict(stored)
    for name, expected in identity(column, config):
        if name in stored and not np.array_equal(stored[name].read(), expected):
            raise InputError(
                "Where embedding_size equals hidden_size, the projection behind the embeddings "
                f"must be the identity, as ALBERT has none there. Received {name!r} with other "
                "values. Such a model cannot be built here."
            )
    return {name: array for name, array in stored.items() if name not in _names(column)}


def _names(column: str) -> tuple[str, str]:
    places = {row.ours: row.places[column].name for row in names.TABLE if column in row.places}
    return places[f"{names.PROJECTION}/kernel"], places[f"{names.PROJECTION}/bias"]
