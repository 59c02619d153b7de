"""The encoder's inputs: one dict, whatever form the caller has.

Letters used in this package: B batch, S sequence, E embedding width, H hidden size, N attention
heads, D = H / N head size, V vocabulary, P predictions a sequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from albert_tf.errors import InputError, closest

NAMES = ("input_word_ids", "input_mask", "input_type_ids")
# The names of the released TF1-Hub modules, accepted everywhere.
ALIASES = {"input_ids": "input_word_ids", "segment_ids": "input_type_ids"}
# What an encoder built with `with_dense_inputs` takes besides.
DENSE_NAMES = ("dense_inputs", "dense_mask", "dense_type_ids")
# Model Garden's BertPretrainerV2 hands its encoder all that it was given.
IGNORED = ("masked_lm_positions",)
OPTIONAL_NAMES = ("input_word_embeddings", "position_ids", "head_mask", *DENSE_NAMES)


def standardize(inputs: Any) -> dict[str, tf.Tensor]:
    """Returns a dict with `NAMES`, all int32 [B, S], and the optional inputs that were given.

    Args:
      inputs: a dict by name or alias, a list in the order of `NAMES`, or the ids alone. A mask
        that is left out is all ones, type ids that are left out are all zeros.

    Raises:
      InputError: a name is unknown, the ids are missing, or a list is too long.
    """
    if isinstance(inputs, Mapping):
        inputs = {ALIASES.get(name, name): value for name, value in inputs.items()}
    elif isinstance(inputs, Sequence):
        if len(inputs) > len(NAMES):
            raise InputError(
                f"A list of encoder inputs must hold at most {NAMES}. Received {len(inputs)} "
                "tensors. Pass a dict."
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
            f"Encoder inputs must hold {NAMES[0]!r}. Received {sorted(inputs)}. Add the token ids."
        )
    first = inputs.get(NAMES[0])
    shape = tf.shape(inputs["input_word_embeddings"])[:2] if first is None else tf.shape(first)
    if inputs.get("input_mask") is None:
        inputs["input_mask"] = tf.ones(shape, tf.int32)
    if inputs.get("input_type_ids") is None:
        inputs["input_type_ids"] = tf.zeros(shape, tf.int32)
    return inputs


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
