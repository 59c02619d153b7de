"""Draws masks in the graph each time a batch is read, by the rules of masking.py.

Axes: B instances, S positions, P predictions, U the maximum number of units in an instance, C runs,
G segments.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from albert_tf.pretraining.masking.dynamic_ngrams import Runs, choose, indices
from albert_tf.pretraining.masking.masking import MASK_SHARE, RANDOM_SHARE, Masking
from albert_tf.tokenization.special_ids import SENTENCEPIECE, SpecialIds


class Masked(NamedTuple):
    """Masked instances, as in masking.py: `input_ids` int32 [B, S], the others [B, P]."""

    input_ids: tf.Tensor
    positions: tf.Tensor
    labels: tf.Tensor
    weights: tf.Tensor


def mask(
    input_ids: tf.Tensor,
    segment_lengths: tf.Tensor,
    unit_lengths: tf.Tensor,
    masking: Masking,
    vocab_size: int,
    seed: tf.Tensor,
    special: SpecialIds = SENTENCEPIECE,
) -> Masked:
    """Returns the instances with n-grams of whole units masked.

    Args:
      input_ids: int32 [B, S], including [CLS] and [SEP], padded right.
      segment_lengths: int32 [B, G], the lengths of the one or two segments with special tokens.
      unit_lengths: int32 [B, U], the number of tokens in each unit, padded right with zeros.
      masking: the settings.
      vocab_size: the upper bound (exclusive) of random replacements.
      seed: int64 [2], the only source of randomness.
      special: the special ids, which are no random replacements.
    """
    seeds = tf.random.split(seed, 3, alg="philox")
    tokens = tf.reduce_sum(segment_lengths, 1)  # [B]
    share = tf.round(tf.cast(tokens, tf.float64) * masking.rate)
    budget = tf.clip_by_value(tf.cast(share, tf.int32), 1, masking.max_predictions)
    runs = choose(unit_lengths, budget, masking, seeds[0])
    text, used = _tokens(runs, masking.max_predictions)  # [B, P] both
    second = text >= segment_lengths[:, :1] - 2  # After the [SEP] of the first segment.
    positions = tf.where(used, text + 1 + tf.cast(second, tf.int32), 0)
    old = tf.gather(input_ids, positions, batch_dims=1)  # [B, P]
    draw = tf.random.stateless_uniform(tf.shape(old), seeds[1], alg="philox")
    random = tf.random.stateless_uniform(
        tf.shape(old), seeds[2], 0, vocab_size - len(special), tf.int32, alg="philox"
    )
    for index in sorted(special):  # Skips the special ids.
        random += tf.cast(random >= index, tf.int32)
    new = tf.where(draw < MASK_SHARE, special.mask, random)
    new = tf.where(used & (draw < MASK_SHARE + RANDOM_SHARE), new, old)
    # Unused slots write the unchanged [CLS] to position 0.
    masked = tf.tensor_scatter_nd_update(input_ids, indices(positions), new)
    return Masked(masked, positions, tf.where(used, old, 0), tf.cast(used, tf.float32))


def _tokens(runs: Runs, count: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the tokens of the runs, int32 [B, count], and which slots are used, bool."""
    ends = tf.cumsum(runs.size, 1)  # [B, C]
    slots = tf.broadcast_to(tf.range(count), [tf.shape(ends)[0], count])
    used = slots < ends[:, -1:]
    run = tf.where(used, tf.searchsorted(ends, slots, "right"), 0)  # [B, count]
    begin, size, end = (tf.gather(x, run, batch_dims=1) for x in (*runs, ends))
    return tf.where(used, begin + slots - (end - size), 0), used
