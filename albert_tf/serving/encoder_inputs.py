"""Ids, mask and types as clients and servers send them, checked and repaired."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from albert_tf.modeling.inputs import checked
from albert_tf.serving.signatures import Family


def standardize(
    inputs: Mapping[str, tf.Tensor], family: Family, cls_id: int | None = None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns ids, mask and types, int32 [..., S] each, as the encoder may take them.

    Args:
      inputs: by the names of `family`; other entries are left alone.
      family: the names.
      cls_id: of [CLS], where a server may have padded the batch; see `without_server_padding`.

    Raises:
      tf.errors.InvalidArgumentError: when the graph runs: the inputs differ in shape, which would
        otherwise broadcast silently.
    """
    given = [inputs[name] for name in family[:3]]
    shapes = [tf.shape(x) for x in given]
    same = tf.reduce_all(tf.equal(shapes[0], shapes[1:]))
    rule = (
        f"{family.ids}, {family.mask} and {family.types} must have one shape. Pad or cut them "
        "to the same length. Received:"
    )
    ids, mask, types = (checked(x, same, rule, *shapes) for x in given)
    ids, mask = _without_static_shape(ids), _without_static_shape(mask)
    if cls_id is not None:
        mask = without_server_padding(ids, mask, cls_id)
    return ids, mask, types


def without_server_padding(ids: tf.Tensor, mask: tf.Tensor, cls_id: int) -> tf.Tensor:
    """Returns the mask, 0 where TensorFlow Serving padded.

    With `pad_variable_length_inputs` the server pads each tensor of a request with the first
    element of that tensor: ids with [CLS], the mask with 1. No text ends in [CLS], so a row that
    begins with it and has more of it at its end was padded there.

    Args:
      ids: int32 [..., S].
      mask: likewise.
      cls_id: of [CLS].
    """
    same = tf.cast(tf.equal(ids, cls_id), mask.dtype)  # [..., S]
    tail = tf.math.cumprod(same, axis=-1, reverse=True)  # 1 from where only [CLS] follows
    begins, behind = same[..., :1], tf.zeros_like(mask[..., :1])
    padded = tf.concat([behind, tail[..., 1:] * begins], axis=-1)
    return mask * (1 - padded)


def _without_static_shape(x: tf.Tensor) -> tf.Tensor:
    """Returns `x` unchanged, but lets nobody infer from it how long a sequence is.

    A loaded function infers shapes before it runs. For a sequence longer than the position table,
    or inputs of different shapes, that ends in "Dimensions must be equal" of some inner node, and
    the check that names the rule is never reached.
    """
    return tf.raw_ops.PlaceholderWithDefault(input=x, shape=[None] * x.shape.rank)
