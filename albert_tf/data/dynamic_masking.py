"""Masks drawn in the graph, each time a batch is read: the rules of masking.py on tensors.

Visiting units one after the other would take a loop of hundreds of steps. Here all units are
visited at once: each draws a time and an n-gram; an n-gram is taken if none that came earlier and
is taken overlaps it, which a few rounds over neighbours settle. The taken n-grams fill the budget
in the order of their times; the first that does not fit and those behind it are then shortened one
by one, as in the sequential rule, until nothing fits any more.

Axes: B instances, S positions, P predictions, U units of the instance with most, C n-grams in the
order of their times, G segments.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from albert_tf.data.masking import MASK_SHARE, RANDOM_SHARE, Masking

MASK_ID = 4
FIRST_ORDINARY_ID = 5  # behind the special pieces; random replacements are drawn from here on
# Odd, so that n-grams still unsettled count as not taken. Few are: a chain of six n-grams, each
# overlapping the next and drawn before it, all among the first 15 %.
ROUNDS = 5
# N-grams looked at beyond the most that can be taken, as some no longer fit.
SPARE = 16


class Runs(NamedTuple):
    """Runs of masked units, in the order of the text.

    Attributes:
      begin: int32 [B, C], the first token, counted over text tokens only.
      size: int32 [B, C], tokens; 0 for none.
    """

    begin: tf.Tensor
    size: tf.Tensor


class Masked(NamedTuple):
    """Masked instances: input_ids int32 [B, S]; the others [B, P], ascending, 0 where unused."""

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
) -> Masked:
    """Returns the instances with n-grams of whole units masked.

    Args:
      input_ids: int32 [B, S], [CLS] and [SEP] included, zeros behind.
      segment_lengths: int32 [B, G], one or two, special tokens included.
      unit_lengths: int32 [B, U], tokens of each unit of masking, zeros behind.
      masking: the settings.
      vocab_size: random replacements lie below it.
      seed: int64 [2]; the masks depend on nothing else.
    """
    seeds = tf.random.split(seed, 3, alg="philox")
    tokens = tf.reduce_sum(segment_lengths, 1)  # [B]
    share = tf.round(tf.cast(tokens, tf.float64) * masking.rate)
    budget = tf.clip_by_value(tf.cast(share, tf.int32), 1, masking.max_predictions)
    runs = choose(unit_lengths, budget, masking, seeds[0])
    text, used = _tokens(runs, masking.max_predictions)  # [B, P] both
    second = text >= segment_lengths[:, :1] - 2  # behind the [SEP] of the first segment
    positions = tf.where(used, text + 1 + tf.cast(second, tf.int32), 0)
    old = tf.gather(input_ids, positions, batch_dims=1)  # [B, P]
    draw = tf.random.stateless_uniform(tf.shape(old), seeds[1], alg="philox")
    random = tf.random.stateless_uniform(
        tf.shape(old), seeds[2], FIRST_ORDINARY_ID, vocab_size, tf.int32, alg="philox"
    )
    new = tf.where(draw < MASK_SHARE, MASK_ID, random)
    new = tf.where(used & (draw < MASK_SHARE + RANDOM_SHARE), new, old)
    rows = tf.broadcast_to(tf.range(tf.shape(old)[0])[:, None], tf.shape(old))
    # Unused slots write the old [CLS] at position 0.
    masked = tf.tensor_scatter_nd_update(input_ids, tf.stack([rows, positions], -1), new)
    return Masked(masked, positions, tf.where(used, old, 0), tf.cast(used, tf.float32))


def choose(unit_lengths: tf.Tensor, budget: tf.Tensor, masking: Masking, seed: tf.Tensor) -> Runs:
    """Returns the runs to mask.

    Args:
      unit_lengths: int32 [B, U], zeros behind.
      budget: int32 [B], the most tokens.
      masking: the settings; rate and bound of the budget have no say here.
      seed: int64 [2].
    """
    longest = masking.max_ngram
    # Units of no tokens behind the last: what looks over the end of a row meets them.
    unit_lengths = tf.pad(unit_lengths, [[0, 0], [0, longest]])
    width = tf.shape(unit_lengths)[1]
    before = tf.cumsum(tf.pad(unit_lengths, [[0, 0], [1, longest]]), 1)
    begin = before[:, :width]  # [B, U]
    sizes = tf.stack([before[:, n : n + width] - begin for n in range(1, longest + 1)], -1)
    time, draw = tf.unstack(
        tf.random.stateless_uniform([2, *tf.unstack(tf.shape(begin))], seed, alg="philox")
    )
    bounds = masking.ngram_probabilities().cumsum()
    wanted = tf.stack([tf.ones_like(draw, tf.bool), *(draw >= b for b in bounds[:-1])], -1)
    fits = wanted & (sizes > 0) & (sizes <= budget[:, None, None])  # [B, U, n]
    length = tf.reduce_sum(tf.cast(fits, tf.int32), -1)  # [B, U]
    taken = (length > 0) & _first_come(length, time, longest)
    order = tf.math.top_k(  # earliest first
        tf.where(taken, 1.0 - time, -1.0),
        tf.minimum(masking.max_predictions + SPARE, width),
    )
    sizes = tf.gather(tf.where(fits, sizes, 0), order.indices, batch_dims=1)  # [B, C, n]
    sizes = tf.where(order.values[..., None] > 0, sizes, 0)
    size = _fill(sizes, budget)
    begin = tf.gather(begin, order.indices, batch_dims=1)
    in_text = tf.argsort(tf.where(size > 0, begin, tf.int32.max), 1)
    return Runs(tf.gather(begin, in_text, batch_dims=1), tf.gather(size, in_text, batch_dims=1))


def _first_come(length: tf.Tensor, time: tf.Tensor, longest: int) -> tf.Tensor:
    """Returns which n-grams no earlier one that is taken overlaps, bool [B, U].

    An n-gram is taken if no earlier overlapping one is. Starting with all, applying this rule again
    and again settles those without an earlier neighbour first, then their neighbours, and so on.
    """
    rivals = []  # (distance, whether the unit there is earlier and overlaps)
    for distance in range(1, longest):
        later = time > tf.roll(time, -distance, 1)
        rivals.append(
            (-distance, later & (length > distance) & (tf.roll(length, -distance, 1) > 0))
        )
        later = time > tf.roll(time, distance, 1)
        rivals.append((distance, later & (tf.roll(length, distance, 1) > distance)))
    taken = tf.ones_like(time, tf.bool)
    for _ in range(ROUNDS if rivals else 0):
        taken = ~tf.reduce_any([r & tf.roll(taken, d, 1) for d, r in rivals], 0)
    return taken


def _fill(sizes: tf.Tensor, budget: tf.Tensor) -> tf.Tensor:
    """Returns the tokens that each n-gram may mask, int32 [B, C].

    Args:
      sizes: int32 [B, C, n], tokens of an n-gram and of its shorter forms, 0 for longer ones.
      budget: int32 [B].
    """
    whole = tf.reduce_max(sizes, -1)  # [B, C]
    filled = tf.cumsum(whole, 1)
    taken = tf.where(filled <= budget[:, None], whole, 0)
    order = tf.range(tf.shape(whole)[1])

    def fitting(taken: tf.Tensor, behind: tf.Tensor) -> tf.Tensor:
        room = budget - tf.reduce_sum(taken, 1)  # [B]
        open_ = (order > behind[:, None])[..., None] & (sizes <= room[:, None, None])
        return tf.reduce_max(tf.where(open_, sizes, 0), -1)  # [B, C]

    def take_next(taken: tf.Tensor, fit: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        first = tf.reduce_min(tf.where(fit > 0, order, tf.int32.max), 1)  # [B]
        taken += tf.where(order == first[:, None], fit, 0)
        return taken, fitting(taken, first)

    last = tf.reduce_sum(tf.cast(filled <= budget[:, None], tf.int32), 1) - 1
    taken, _ = tf.while_loop(
        lambda taken, fit: tf.reduce_any(fit > 0), take_next, (taken, fitting(taken, last))
    )
    return taken


def _tokens(runs: Runs, count: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the tokens of the runs, int32 [B, count], and which of them are there, bool."""
    ends = tf.cumsum(runs.size, 1)  # [B, C]
    slots = tf.broadcast_to(tf.range(count), [tf.shape(ends)[0], count])
    used = slots < ends[:, -1:]
    run = tf.where(used, tf.searchsorted(ends, slots, "right"), 0)  # [B, count]
    begin, size, end = (tf.gather(x, run, batch_dims=1) for x in (*runs, ends))
    return tf.where(used, begin + slots - (end - size), 0), used
