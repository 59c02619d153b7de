"""Packs token ids into model inputs inside a graph, with the same result as packing.py.

Shapes: B texts; S the sequence length; T tokens of one segment of all texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.tokenization.packing import special_count
from albert_tf.tokenization.special_ids import SpecialIds


def pack(
    segments: Sequence[tf.RaggedTensor] | tf.RaggedTensor,
    seq_length: int | tf.Tensor,
    special: SpecialIds,
) -> dict[str, tf.Tensor]:
    """Returns the three encoder inputs for [CLS] A [SEP] or [CLS] A [SEP] B [SEP], padded right.

    Segments that are too long are cut at their ends, the longer one first, or the second if both
    are equally long. For two segments this is equivalent to round robin.

    Args:
      segments: one or two, int32 [B, (tokens)] or [B, (words), (tokens)].
      seq_length: S, int32 scalar.
      special: the special ids.

    Returns:
      "input_word_ids", "input_mask", "input_type_ids", int32 [B, S] each.

    Raises:
      InputError: there are not one or two segments.
      tf.errors.InvalidArgumentError: S cannot hold the special tokens.
    """
    segments = [segments] if isinstance(segments, tf.RaggedTensor) else list(segments)
    if len(segments) not in (1, 2):
        raise InputError(
            f"Packing takes one or two segments. Received {len(segments)}. Pack them in pairs."
        )
    segments = [s.merge_dims(1, -1) if s.shape.rank > 2 else s for s in segments]
    needed = special_count(len(segments))
    check = tf.debugging.Assert(
        seq_length >= needed,
        [
            f"A sequence of {len(segments)} segment(s) must have room for its {needed} special "
            "tokens. Use a larger seq_length. Received seq_length =",
            seq_length,
        ],
    )
    with tf.control_dependencies([] if check is None else [check]):
        seq_length = tf.cast(seq_length, tf.int32)
    lengths = [tf.cast(s.row_lengths(), tf.int32)[:, tf.newaxis] for s in segments]  # [B, 1]
    kept = _kept(lengths, seq_length - needed)
    position = tf.range(seq_length)[tf.newaxis, :]  # [1, S]
    ids = tf.where(position == 0, special.cls, special.pad)  # [1, S]
    begin = tf.ones_like(lengths[0])  # [B, 1]
    type_ids = tf.zeros_like(position + begin)  # [B, S]
    for index, (segment, length) in enumerate(zip(segments, kept)):
        inside = tf.logical_and(position >= begin, position < begin + length)
        ids = tf.where(inside, _tokens(segment, position - begin), ids)  # [B, S]
        ids = tf.where(position == begin + length, special.sep, ids)
        after = begin + length + 1
        belongs = tf.logical_and(position >= begin, position < after)
        type_ids = tf.where(belongs, index, type_ids)
        begin = after
    mask = tf.cast(position < begin, tf.int32)  # [B, S]
    return {"input_word_ids": ids, "input_mask": mask, "input_type_ids": type_ids}


def _kept(lengths: list[tf.Tensor], budget: tf.Tensor) -> list[tf.Tensor]:
    """Returns the number of tokens to keep of each segment, [B, 1]; see `packing.truncate`."""
    if len(lengths) == 1:
        return [tf.minimum(lengths[0], budget)]
    first, second = lengths
    first = tf.minimum(first, tf.maximum(budget - second, (budget + 1) // 2))
    return [first, tf.minimum(second, budget - first)]


def _tokens(segment: tf.RaggedTensor, index: tf.Tensor) -> tf.Tensor:
    """Returns the token at `index` of each row, [B, S]; arbitrary where there is no token."""
    flat = tf.concat([segment.values, [0]], 0)  # [T + 1]
    last = tf.size(segment.values)
    starts = tf.cast(segment.row_starts(), tf.int32)[:, tf.newaxis]  # [B, 1]
    return tf.gather(flat, tf.clip_by_value(starts + index, 0, last))
