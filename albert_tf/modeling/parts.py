"""Runs a function on a few rows of tensors at a time, which limits the memory that it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

# The number of positions that run together, in rows padded to the longest one. More would not be
# faster, and it limits the memory that a request of any size needs.
_POSITIONS = 8192


def rows_at_once(longest: tf.Tensor) -> tf.Tensor:
    """Returns the number of rows to compute together, given the length of the longest."""
    return tf.maximum(_POSITIONS // tf.maximum(longest, 1), 1)


def in_parts(
    function: Callable[..., dict[str, tf.Tensor]],
    tensors: Sequence[tf.Tensor | tf.RaggedTensor],
    outputs: Mapping[str, tf.TensorSpec],
    size: tf.Tensor,
) -> dict[str, tf.Tensor]:
    """Applies a function to a few rows of all tensors at a time, and joins the results.

    Args:
      function: takes and returns tensors whose first axis may have any size.
      tensors: [R, ...] each.
      outputs: the specs of the tensors that the function returns, for any number of rows.
      size: the number of rows at a time, int32 scalar.
    """
    first = tensors[0]
    rows = first.nrows(tf.int32) if isinstance(first, tf.RaggedTensor) else tf.shape(first)[0]
    arrays = {
        name: tf.TensorArray(spec.dtype, 1, True, infer_shape=False, element_shape=spec.shape)
        for name, spec in outputs.items()
    }

    def step(part: tf.Tensor, arrays: dict[str, Any]) -> tuple[tf.Tensor, dict[str, Any]]:
        results = function(*(_rows(x, part * size, (part + 1) * size) for x in tensors))
        return part + 1, {name: arrays[name].write(part, results[name]) for name in arrays}

    # At least one part runs, even without rows, because the result needs its shapes.
    has_rows = lambda part, _: (part == 0) | (part * size < rows)  # noqa: E731
    _, arrays = tf.while_loop(has_rows, step, (0, arrays), parallel_iterations=1)
    return {name: array.concat() for name, array in arrays.items()}


def _rows(x: tf.Tensor | tf.RaggedTensor, begin: tf.Tensor, end: tf.Tensor) -> Any:
    """Returns `x[begin:end]`; slicing a ragged tensor itself takes many more operations."""
    if not isinstance(x, tf.RaggedTensor):
        return x[begin:end]
    splits = x.row_splits[begin : end + 1]
    values = x.values[splits[0] : splits[-1]]
    return tf.RaggedTensor.from_row_splits(values, splits - splits[0], validate=False)
