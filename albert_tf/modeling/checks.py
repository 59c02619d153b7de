"""Rules on the values of tensors, which only hold or fail when the graph runs."""

from __future__ import annotations

import tensorflow as tf

from albert_tf.errors import InputError


def checked(x: tf.Tensor, holds: tf.Tensor, rule: str, *received: tf.Tensor) -> tf.Tensor:
    """Returns `x`, behind a check that the boolean `holds` is true.

    Args:
      x: any tensor.
      holds: bool scalar.
      rule: the rule and the remedy, ending where the received values follow.
      *received: scalars to show after the rule.

    Raises:
      InputError: eagerly; in a graph `tf.errors.InvalidArgumentError` with the same words when it
        runs. XLA drops the check.
    """
    if tf.executing_eagerly():
        if not holds:
            raise InputError(f"{rule} {', '.join(str(int(value)) for value in received)}.")
        return x
    with tf.control_dependencies([tf.debugging.Assert(holds, [rule, *received])]):
        return tf.identity(x)
