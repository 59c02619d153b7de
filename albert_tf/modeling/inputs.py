"""Normalises the encoder's inputs, in any form the caller passes them, to one dict.

Letters used in shapes throughout this package: B batch size, S sequence length, E embedding width,
H hidden size, N attention heads, D = H / N head size, V vocabulary size, P predictions per
sequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from albert_tf.errors import InputError, closest

NAMES = ("input_word_ids", "input_mask", "input_type_ids")
# Names that the released TF1-Hub modules use; accepted everywhere.
ALIASES = {"input_ids": "input_word_ids", "segment_ids": "input_type_ids"}
# Additional inputs of an encoder built with `with_dense_inputs`.
DENSE_NAMES = ("dense_inputs", "dense_mask", "dense_type_ids")
# Model Garden's BertPretrainerV2 passes all of its own inputs on to the encoder.
IGNORED = ("masked_lm_positions",)
OPTIONAL_NAMES = ("input_word_embeddings", "position_ids", "head_mask", *DENSE_NAMES)


def standardize(inputs: Any) -> dict[str, tf.Tensor]:
    """Returns a dict with `NAMES`, all int32 [B, S], and any optional inputs that were given.

    Args:
      inputs: a dict keyed by name or alias, a list in the order of `NAMES`, or the ids alone. The
        mask defaults to all ones and the type ids to all zeros.

    Raises:
      InputError: a name is unknown, the ids are missing, or a list is too long.
    """
    if isinstance(inputs, Mapping):
        inputs = {ALIASES.get(name, name): value for name, value in inputs.items()}
    elif isinstance(inputs, Sequence):
        if len(inputs) > len(NAMES):
            raise InputError(
                f"A list of encoder inputs can hold {NAMES} only. Received {len(inputs)} "
                "tensors. Pass a dict for other inputs."
            )
        inputs = dict(zip(NAMES, inputs))
    else:
        inputs = {NAMES[0]: inputs}
    inputs = {name: value for name, value in inputs.items() if name not in IGNORED}
    for name in inputs:
        if name not in NAMES + OPTIONAL_NAMES:
            raise InputError(
                f"Encoder inputs must have known names. Received {name!r}. "
                f"{closest(name, [*NAMES, *ALIASES, *OPTIONAL_NAMES])}"
            )
    if NAMES[0] not in inputs and "input_word_embeddings" not in inputs:
        raise InputError(
            f"Encoder inputs must include {NAMES[0]!r}. Received {sorted(inputs)}. "
            "Add the token ids."
        )
    first = inputs.get(NAMES[0])
    shape = tf.shape(inputs["input_word_embeddings"])[:2] if first is None else tf.shape(first)
    if inputs.get("input_mask") is None:
        inputs["input_mask"] = tf.ones(shape, tf.int32)
    if inputs.get("input_type_ids") is None:
        inputs["input_type_ids"] = tf.zeros(shape, tf.int32)
    return inputs


def checked(x: tf.Tensor, holds: tf.Tensor, rule: str, *received: tf.Tensor) -> tf.Tensor:
    """Returns `x` after checking that the condition `holds`.

    Args:
      x: any tensor.
      holds: bool scalar.
      rule: the start of the error message: rule, remedy and the words before the received values.
      *received: scalars to append to the message.

    Raises:
      InputError: the condition is false in eager execution. In a graph,
        `tf.errors.InvalidArgumentError` is raised with the same message when the graph runs. XLA
        drops the check.
    """
    if tf.executing_eagerly():
        if not holds:
            raise InputError(f"{rule} {', '.join(str(int(value)) for value in received)}.")
        return x
    with tf.control_dependencies([tf.debugging.Assert(holds, [rule, *received])]):
        return tf.identity(x)
