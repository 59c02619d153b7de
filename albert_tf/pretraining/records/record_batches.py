"""Parses batches of serialised records into model inputs and labels.

Axes: B batch, S max_seq_length, P max_predictions_per_seq, L tokens of the longest record.
"""

from __future__ import annotations

import tensorflow as tf

from albert_tf.pretraining.masking import dynamic_masking
from albert_tf.pretraining.masking.masking import Masking
from albert_tf.pretraining.records.record_files import IDS
from albert_tf.pretraining.records.record_kinds import Kind
from albert_tf.tokenization.special_ids import SENTENCEPIECE, SpecialIds

Batch = dict[str, tf.Tensor]


def static(serialized: tf.Tensor, kind: Kind, max_seq_length: int, max_predictions: int) -> Batch:
    """Parses records that contain their masks; returns features by the names of the model inputs.

    Args:
      serialized: string [B].
      kind: the kind of the records.
      max_seq_length: S.
      max_predictions: P.
    """
    lengths = {"S": max_seq_length, "P": max_predictions, "1": 1}
    features = kind.features()
    schema = {
        name: tf.io.FixedLenFeature([lengths[feature.axis]], feature.dtype)
        for name, feature in features.items()
    }
    parsed = tf.io.parse_example(serialized, schema)
    return {
        feature.model_name: tf.cast(parsed[name], feature.model_dtype)
        for name, feature in features.items()
    }


def dynamic(
    parsed: Batch,
    max_seq_length: int,
    masking: Masking,
    vocab_size: int,
    seed: tf.Tensor,
    special: SpecialIds = SENTENCEPIECE,
) -> Batch:
    """Pads records without masks, and draws masks for them.

    Args:
      parsed: features from `parse_dynamic`.
      max_seq_length: S.
      masking: the mask settings.
      vocab_size: the upper bound (exclusive) of random replacements.
      seed: int64 [2]; the masks depend only on the seed and the records.
      special: the special ids of the vocabulary.
    """
    ids, segments = parsed["input_ids"], parsed["segment_lengths"]
    longest = tf.shape(ids)[1]  # L
    fits = tf.debugging.Assert(
        longest <= max_seq_length,
        [
            "A record must have at most max_seq_length =",
            max_seq_length,
            "tokens. Received",
            longest,
        ],
    )
    agrees = _lengths_agree(segments, parsed["unit_lengths"], longest)
    with tf.control_dependencies([fits, agrees]):
        ids = tf.pad(ids, [[0, 0], [0, max_seq_length - longest]])
    ids = tf.ensure_shape(ids, [None, max_seq_length])
    position = tf.range(max_seq_length)
    inside = position < tf.reduce_sum(segments, 1, keepdims=True)  # [B, S]
    ids = tf.where(inside, ids, special.pad)
    masked = dynamic_masking.mask(
        ids, segments, parsed["unit_lengths"], masking, vocab_size, seed, special
    )
    second = inside & (position >= segments[:, :1])
    batch = {
        "input_word_ids": masked.input_ids,
        "input_mask": tf.cast(inside, tf.int32),
        "input_type_ids": tf.cast(second, tf.int32),
        "masked_lm_positions": masked.positions,
        "masked_lm_ids": masked.labels,
        "masked_lm_weights": masked.weights,
    }
    if "next_sentence_labels" in parsed:
        batch["next_sentence_labels"] = parsed["next_sentence_labels"]
    return batch


def _lengths_agree(segments: tf.Tensor, units: tf.Tensor, longest: tf.Tensor) -> tf.Operation:
    """Checks that segments and units are not longer than their record, with its special tokens."""
    in_segments = tf.reduce_sum(tf.cast(segments, tf.int64), 1)  # [B]
    in_units = tf.reduce_sum(tf.cast(units, tf.int64), 1)  # [B]
    is_positive = tf.reduce_all(segments >= 0) & tf.reduce_all(units >= 0)
    begins = tf.reduce_all(segments[:, :1] > 0)
    within = (in_units + 2 <= in_segments) & (in_segments <= tf.cast(longest, tf.int64))
    return tf.debugging.Assert(
        is_positive & begins & tf.reduce_all(within),
        ["A record must have the lengths of its segments and units. Received segments", segments],
    )


def checked(batch: Batch, vocab_size: int) -> Batch:
    """Returns the batch after checking that its ids are in the vocabulary."""
    ids = tf.concat([batch["input_word_ids"], batch["masked_lm_ids"]], 1)
    fits = tf.reduce_all((ids >= 0) & (ids < vocab_size))
    with tf.control_dependencies([tf.debugging.Assert(fits, [IDS, vocab_size])]):
        return {**batch, "input_word_ids": tf.identity(batch["input_word_ids"])}


def parse_dynamic(serialized: tf.Tensor, kind: Kind) -> Batch:
    """Parses dynamic records; returns int32 features, padded with zeros to the longest of [B].

    Args:
      serialized: string [B].
      kind: the kind of the records.
    """
    schema = {
        name: tf.io.FixedLenFeature([1], feature.dtype)
        if feature.axis == "1"
        else tf.io.FixedLenSequenceFeature([], feature.dtype, allow_missing=True)
        for name, feature in kind.features().items()
    }
    parsed = tf.io.parse_example(serialized, schema)
    return {name: tf.cast(values, tf.int32) for name, values in parsed.items()}
