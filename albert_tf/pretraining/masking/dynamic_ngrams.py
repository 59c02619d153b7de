"""Draws the n-grams to mask in the graph, by the rule of masking.py.

Visiting units one by one would take a loop with many steps. Instead, each unit draws a visit time
and an n-gram. An n-gram is chosen if it overlaps no n-gram chosen earlier, which a few rounds over
neighbouring units determine for all units at once. In the order of their times, the chosen n-grams
fill the budget up to the first one that does not fit; a loop over visits handles only the rest.

Axes: B instances, U the maximum number of units in an instance, C visits in the order of their
times, n the lengths of n-grams.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from albert_tf.pretraining.masking.masking import Masking

# Odd, so that n-grams that are still undecided count as not chosen. These are rare: they need a
# chain of six n-grams, each overlapping the next and drawn before it, all within the first 15 %.
ROUNDS = 5
# Extra visits, because some n-grams overlap or no longer fit.
SPARE = 16


class Runs(NamedTuple):
    """Runs of masked units, in text order.

    Attributes:
      begin: int32 [B, C], the index of the first token, counting text tokens only.
      size: int32 [B, C], the number of tokens; 0 if unused.
    """

    begin: tf.Tensor
    size: tf.Tensor


def choose(unit_lengths: tf.Tensor, budget: tf.Tensor, masking: Masking, seed: tf.Tensor) -> Runs:
    """Chooses the runs to mask.

    Args:
      unit_lengths: int32 [B, U], padded right with zeros.
      budget: int32 [B], the maximum number of tokens.
      masking: the settings; `budget` replaces its rate.
      seed: int64 [2].
    """
    longest = masking.max_ngram
    # Append empty units, so that n-grams can look past the end of a row.
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
    visits = tf.math.top_k(  # The earliest first.
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
    """Returns which n-grams overlap no earlier chosen one, bool [B, U].

    An n-gram is chosen if no earlier overlapping n-gram is chosen. Starting from all n-grams,
    repeating this rule first decides those without an earlier neighbour, then their neighbours, and
    so on.
    """
    rivals = []  # (distance, whether the unit at this distance is earlier and overlaps)
    for distance in range(1, longest):
        later = time > tf.roll(time, -distance, 1)
        rivals.append(
            (-distance, later & (length > distance) & (tf.roll(length, -distance, 1) > 0))
        )
        later = time >= tf.roll(time, distance, 1)  # At equal times the left unit comes first.
        rivals.append((distance, later & (tf.roll(length, distance, 1) > distance)))
    taken = tf.ones_like(time, tf.bool)
    for _ in range(ROUNDS if rivals else 0):
        taken = ~tf.reduce_any([r & tf.roll(taken, d, 1) for d, r in rivals], 0)
    return taken


def _fill(
    unit: tf.Tensor, sizes: tf.Tensor, first_come: tf.Tensor, budget: tf.Tensor, width: tf.Tensor
) -> tf.Tensor:
    """Returns the number of tokens that are masked at each visit, int32 [B, C].

    Args:
      unit: int32 [B, C], the visited unit.
      sizes: int32 [B, C, n], the number of tokens of the n-gram for each length up to the drawn
        one, and 0 for longer ones.
      first_come: bool [B, C], whether the n-gram is chosen if everything fits.
      budget: int32 [B], the maximum number of tokens.
      width: U.
    """
    order = tf.range(tf.shape(unit)[1])
    longest = tf.reduce_max(sizes, -1)  # [B, C]
    size = tf.where(first_come, longest, 0)
    # An n-gram that does not fit is shortened, and the shorter one may no longer overlap.
    misfit = longest > budget[:, None] - tf.cumsum(size, 1, exclusive=True)
    all_fit = tf.cumsum(tf.cast(misfit, tf.int32), 1) == 0  # Whether all fit up to this visit.
    size = tf.where(all_fit, size, 0)
    length = tf.where(size > 0, _count(sizes > 0), 0)
    reach = tf.scatter_nd(indices(unit), length, [tf.shape(unit)[0], width])  # [B, U]
    distances = range(sizes.shape[-1])
    covered = tf.reduce_any([tf.roll(reach > d, d, 1) for d in distances], 0)  # [B, U]

    def next_visit(size: tf.Tensor, covered: tf.Tensor, after: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns the next visit that takes an n-gram, and one-hot [B, C] its tokens and units."""
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
    """Returns the number of true flags along the last axis, int32."""
    return tf.reduce_sum(tf.cast(flags, tf.int32), -1)


def indices(columns: tf.Tensor) -> tf.Tensor:
    """Returns the (row, column) pairs of `columns` [B, C], int32 [B, C, 2]."""
    rows = tf.broadcast_to(tf.range(tf.shape(columns)[0])[:, None], tf.shape(columns))
    return tf.stack([rows, columns], -1)
