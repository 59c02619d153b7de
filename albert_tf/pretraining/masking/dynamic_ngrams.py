"""Which n-grams are masked, drawn in the graph: the rule of masking.py on tensors.

Visiting units one after the other would take a loop of many steps. Here each unit draws the time
of its visit and an n-gram; an n-gram is taken if none that came earlier and is taken overlaps it,
which a few rounds over neighbours settle for all units at once. In the order of their times they
fill the budget up to the first that does not fit; only from there on is there a loop over visits.

Axes: B instances, U units of the instance with most, C visits in the order of their times, n
lengths of n-grams.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from albert_tf.pretraining.masking.masking import Masking

# Odd, so that n-grams still unsettled count as not taken. Few are: a chain of six n-grams, each
# overlapping the next and drawn before it, all among the first 15 %.
ROUNDS = 5
# Visits beyond the most n-grams that can be taken, as some overlap or no longer fit.
SPARE = 16


class Runs(NamedTuple):
    """Runs of masked units, in the order of the text.

    Attributes:
      begin: int32 [B, C], the first token, counted over text tokens only.
      size: int32 [B, C], tokens; 0 for none.
    """

    begin: tf.Tensor
    size: tf.Tensor


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
    length = _count(fits)  # [B, U]
    visits = tf.math.top_k(  # earliest first
        tf.where(length > 0, 1.0 - time, -1.0),
        tf.minimum(masking.max_predictions + SPARE, width),
    )
    unit = visits.indices  # [B, C]
    sizes, first_come, begin = (
        tf.gather(x, unit, batch_dims=1)
        for x in (tf.where(fits, sizes, 0), _first_come(length, time, longest), begin)
    )
    size = _fill(unit, sizes, first_come, budget, width)
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
        later = time >= tf.roll(time, distance, 1)  # of two at one time the first comes first
        rivals.append((distance, later & (tf.roll(length, distance, 1) > distance)))
    taken = tf.ones_like(time, tf.bool)
    for _ in range(ROUNDS if rivals else 0):
        taken = ~tf.reduce_any([r & tf.roll(taken, d, 1) for d, r in rivals], 0)
    return taken


def _fill(
    unit: tf.Tensor, sizes: tf.Tensor, first_come: tf.Tensor, budget: tf.Tensor, width: tf.Tensor
) -> tf.Tensor:
    """Returns the tokens that are masked at each visit, int32 [B, C].

    Args:
      unit: int32 [B, C], the unit visited.
      sizes: int32 [B, C, n], tokens of its n-gram and of the shorter forms, 0 for longer ones.
      first_come: bool [B, C], whether the n-gram is taken as long as all fit.
      budget: int32 [B].
      width: U.
    """
    order = tf.range(tf.shape(unit)[1])
    longest = tf.reduce_max(sizes, -1)  # [B, C]
    size = tf.where(first_come, longest, 0)
    # An n-gram that does not fit is shortened, and then may not overlap any more.
    misfit = longest > budget[:, None] - tf.cumsum(size, 1, exclusive=True)
    all_fit = tf.cumsum(tf.cast(misfit, tf.int32), 1) == 0  # so far
    size = tf.where(all_fit, size, 0)
    length = tf.where(size > 0, _count(sizes > 0), 0)
    reach = tf.scatter_nd(indices(unit), length, [tf.shape(unit)[0], width])  # [B, U]
    distances = range(sizes.shape[-1])
    covered = tf.reduce_any([tf.roll(reach > d, d, 1) for d in distances], 0)  # [B, U]

    def next_visit(size: tf.Tensor, covered: tf.Tensor, after: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns which visit takes an n-gram next, its tokens and units; all one-hot [B, C]."""
        room = budget - tf.reduce_sum(size, 1)  # [B]
        fits = (sizes > 0) & (sizes <= room[:, None, None])
        length = _count(fits)  # [B, C]
        covered = tf.stack([tf.roll(covered, -d, 1) for d in distances], -1)
        meets = tf.gather(covered, unit, batch_dims=1) & fits
        free = (length > 0) & ~tf.reduce_any(meets, -1) & (order > after[:, None])
        visit = tf.reduce_min(tf.where(free, order, tf.int32.max), 1)  # [B]
        taken = order == visit[:, None]
        longest = tf.reduce_max(tf.where(fits, sizes, 0), -1)
        return visit, tf.where(taken, longest, 0), tf.where(taken, length, 0)

    def take(
        size: tf.Tensor, covered: tf.Tensor, visit: tf.Tensor, more: tf.Tensor, length: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        size += more
        begin = tf.reduce_sum(tf.where(length > 0, unit, 0), 1, keepdims=True)
        inside = tf.range(width) - begin  # [B, U]
        covered |= (inside >= 0) & (inside < tf.reduce_sum(length, 1, keepdims=True))
        return size, covered, *next_visit(size, covered, visit)

    state = size, covered, *next_visit(size, covered, _count(all_fit) - 1)
    return tf.while_loop(lambda *state: tf.reduce_any(state[3] > 0), take, state)[0]


def _count(flags: tf.Tensor) -> tf.Tensor:
    """Returns how many flags of the last axis are set, int32."""
    return tf.reduce_sum(tf.cast(flags, tf.int32), -1)


def indices(columns: tf.Tensor) -> tf.Tensor:
    """Returns the pairs (row, column), int32 [B, C, 2], of columns [B, C]."""
    rows = tf.broadcast_to(tf.range(tf.shape(columns)[0])[:, None], tf.shape(columns))
    return tf.stack([rows, columns], -1)
