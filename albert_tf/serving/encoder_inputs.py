"""Checks and repairs the ids, mask and types that clients and servers send, and static shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from albert_tf.modeling.inputs import checked
from albert_tf.serving.signatures import Family


def standardize(
    inputs: Mapping[str, tf.Tensor], family: Family, cls_id: int | None = None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns ids, mask and types, int32 [..., S] each, in a form that the encoder accepts.

    Args:
      inputs: the tensors by the names of `family`; other entries are ignored.
      family: the names of the inputs.
      cls_id: the id of [CLS], if a server may have padded the batch; see `without_server_padding`.

    Raises:
      tf.errors.InvalidArgumentError: raised when the graph runs if the inputs differ in shape.
        Without this check, they would broadcast silently.
    """
    given = [tf.cast(inputs[name], tf.int32) for name in family[:3]]
    shapes = [tf.shape(x) for x in given]
    same = tf.reduce_all(tf.equal(shapes[0], shapes[1:]))
    rule = (
        f"{family.ids}, {family.mask} and {family.types} must have the same shape. Pad or cut "
        "them to the same length. Received:"
    )
    ids, mask, types = (checked(x, same, rule, *shapes) for x in given)
    ids, mask = _without_static_shape(ids), _without_static_shape(mask)
    if cls_id is not None:
        mask = without_server_padding(ids, mask, cls_id)
    return ids, mask, types


def without_server_padding(ids: tf.Tensor, mask: tf.Tensor, cls_id: int) -> tf.Tensor:
    """Returns the mask with 0 at positions that TensorFlow Serving padded.

    With `pad_variable_length_inputs`, the server pads each tensor of a request with the first
    element of that tensor: ids with [CLS], the mask with 1. No text ends in [CLS]. So if a row
    begins with [CLS] and also ends in one or more [CLS], those at the end are padding.

    Args:
      ids: int32 [..., S].
      mask: int32 [..., S].
      cls_id: the id of [CLS].
    """
    same = tf.cast(tf.equal(ids, cls_id), mask.dtype)  # [..., S]
    tail = tf.math.cumprod(same, axis=-1, reverse=True)  # 1 where only [CLS] follows
    begins, zero = same[..., :1], tf.zeros_like(mask[..., :1])
    padded = tf.concat([zero, tail[..., 1:] * begins], axis=-1)
    return mask * (1 - padded)


def with_static_shape(outputs: Any, ids: tf.Tensor) -> Any:
    """Returns outputs with the static batch size and length of `ids`, [B, S].

    `standardize` removes the static shape, and loading a SavedModel restores the shapes of the
    trace, in which both are unknown. But reshaping to the shape of an input lets TensorFlow infer
    them in each graph that calls the function.

    Args:
      outputs: a structure of tensors, [B, H] or [B, S, H] each; another static length than S stays.
      ids: int32 [B, S].
    """
    sizes = tf.shape(ids)

    def reshaped(x: tf.Tensor) -> tf.Tensor:
        length = [x.shape[1] or sizes[1]] if x.shape.rank == 3 else []
        return tf.reshape(x, tf.stack([sizes[0], *length, x.shape[-1]]))

    return tf.nest.map_structure(reshaped, outputs)


def _without_static_shape(x: tf.Tensor) -> tf.Tensor:
    """Returns `x` unchanged but without its static shape.

    A loaded function infers shapes before it runs. If a sequence is longer than the position table,
    or the inputs differ in shape, inference fails with "Dimensions must be equal" at some inner
    node, before the check that explains the rule.
    """
    return tf.raw_ops.PlaceholderWithDefault(input=x, shape=[None] * x.shape.rank)
