"""Packs token ids into model inputs inside a graph, with the same result as packing.py.

Shapes: B texts; S the sequence length; T tokens of one segment of all texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.tokenization.packing import GRAPH_TRUNCATIONS, special_count
from albert_tf.tokenization.special_ids import SpecialIds

Segment = tf.Tensor | tf.RaggedTensor


def pack(
    segments: Sequence[Segment] | Segment,
    seq_length: int | tf.Tensor,
    special: SpecialIds,
    truncation: str | tf.Tensor = "longest_first",
) -> dict[str, tf.Tensor]:
    """Returns the three encoder inputs for [CLS] A [SEP] B [SEP] ..., padded right.

    Segments that are too long are cut at their ends. Segment i has type i.

    Args:
      segments: one or more, or a single one without a list; int32 [B, (tokens)] or
        [B, (words), (tokens)], or [tokens] for a single text.
      seq_length: S, int32 scalar.
      special: the special ids.
      truncation: a policy of `GRAPH_TRUNCATIONS`, string scalar; see `packing.truncate`.

    Returns:
      "input_word_ids", "input_mask", "input_type_ids", int32 [B, S] each, or [S] for a single text.

    Raises:
      InputError: there is no segment.
      tf.errors.InvalidArgumentError: S cannot hold the special tokens, or the policy is unknown.
    """
    segments = [segments] if tf.is_tensor(segments) else list(segments)
    if not segments:
        raise InputError(
            "Packing takes one or more segments. Received an empty list. Pass at least one."
        )
    if segments[0].shape.rank == 1:
        rows = [tf.RaggedTensor.from_row_lengths(s, tf.shape(s), validate=False) for s in segments]
        return {name: x[0] for name, x in pack(rows, seq_length, special, truncation).items()}
    segments = [s.merge_dims(1, -1) if s.shape.rank > 2 else s for s in segments]
    needed = special_count(len(segments))
    checks = [
        tf.debugging.Assert(
            seq_length >= needed,
            [
                f"A sequence of {len(segments)} segment(s) must have room for its {needed} special "
                "tokens. Use a larger seq_length. Received seq_length =",
                seq_length,
            ],
        ),
        tf.debugging.Assert(
            tf.reduce_any(tf.equal(truncation, GRAPH_TRUNCATIONS)),
            [f"truncation must be one of {', '.join(GRAPH_TRUNCATIONS)}. Received", truncation],
        ),
    ]
    with tf.control_dependencies([check for check in checks if check is not None]):
        seq_length = tf.identity(seq_length)
    lengths = tf.stack([tf.cast(s.row_lengths(), tf.int32) for s in segments], 1)  # [B, segments]
    kept = _kept(lengths, seq_length - needed, truncation)
    position = tf.range(seq_length)[tf.newaxis, :]  # [1, S]
    ids = tf.where(position == 0, special.cls, special.pad)  # [1, S]
    begin = tf.ones_like(lengths[:, :1])  # [B, 1]
    type_ids = tf.zeros_like(position + begin)  # [B, S]
    for index, segment in enumerate(segments):
        end = begin + kept[:, index : index + 1]
        inside = tf.logical_and(position >= begin, position < end)
        ids = tf.where(inside, _tokens(segment, position - begin), ids)  # [B, S]
        ids = tf.where(position == end, special.sep, ids)
        belongs = tf.logical_and(position >= begin, position <= end)
        type_ids = tf.where(belongs, index, type_ids)
        begin = end + 1
    mask = tf.cast(position < begin, tf.int32)  # [B, S]
    return {"input_word_ids": ids, "input_mask": mask, "input_type_ids": type_ids}


def _kept(lengths: tf.Tensor, budget: tf.Tensor, truncation: str | tf.Tensor) -> tf.Tensor:
    """Returns the number of tokens to keep of each segment, [B, segments]."""
    if lengths.shape[1] == 1:
        return tf.minimum(lengths, budget)
    waterfall = tf.maximum(budget - tf.cumsum(lengths, 1, exclusive=True), 0)
    shorter = lengths[:, tf.newaxis, :] < lengths[:, :, tf.newaxis]  # [B, segments, segments]
    taken = tf.reduce_sum(tf.where(shorter, lengths[:, tf.newaxis, :], 0), 2)
    others = tf.reduce_sum(tf.cast(~shorter, tf.int32), 2)
    # In this many turns, each segment that is long enough keeps one token a turn.
    turns = tf.reduce_max((budget - taken) // others, 1, keepdims=True)  # [B, 1]
    longer = tf.cast(lengths > turns, tf.int32)
    rest = budget - tf.reduce_sum(tf.minimum(lengths, turns), 1, keepdims=True)
    one_more = tf.cumsum(longer, 1, exclusive=True) < rest
    round_robin = turns + tf.cast(one_more, tf.int32)
    limits = tf.where(tf.equal(truncation, "waterfall"), waterfall, round_robin)
    return tf.minimum(lengths, limits)


def _tokens(segment: tf.RaggedTensor, index: tf.Tensor) -> tf.Tensor:
    """Returns the token at `index` of each row, [B, S]; arbitrary where there is no token."""
    flat = tf.concat([segment.values, [0]], 0)  # [T + 1]
    last = tf.size(segment.values)
    starts = tf.cast(segment.row_starts(), tf.int32)[:, tf.newaxis]  # [B, 1]
    return tf.gather(flat, tf.clip_by_value(starts + index, 0, last))
