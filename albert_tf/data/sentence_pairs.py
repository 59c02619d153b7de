"""Documents to pairs of segments for sentence-order prediction.

A chunk is a run of sentences of one document. It is cut at a sentence boundary into two segments;
label 0 keeps them in order, 1 swaps them. Everything here works on the lengths of sentences in
tokens and returns offsets, so that no token is copied.

The lengths of the segments must not tell the label. A greedy chunk ends with the sentence that
overshoots the target, and long sentences overshoot more often; so each document is chunked from
its start or from its end, by a fair coin, which makes the longer end equally often the first and
the second segment. What exceeds the budget is trimmed from the longer segment, at both ends by
fair coins, as in the original.

Unlike the original, which then takes a random other document under label 1, a last sentence that
is left alone takes the sentence before it as company.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Pair(NamedTuple):
    """Two segments as offsets [begin, end) in the tokens of their document; label 1 = swapped."""

    a_begin: int
    a_end: int
    b_begin: int
    b_end: int
    label: int


def document_pairs(
    lengths: Sequence[int],
    budget: int,
    rng: np.random.Generator,
    short_probability: float = 0.1,
    split_single: bool = False,
) -> list[Pair]:
    """Returns the pairs of a document; [] if it has one sentence and is not to be split.

    Args:
      lengths: tokens of each sentence, all positive.
      budget: the most tokens a pair may have, at least 2.
      rng: drawn from in the order of the pairs.
      short_probability: of a target drawn from [2, budget] in place of `budget`, so that the model
        sees short sequences too; 0.1 as in the original.
      split_single: cut a document of one sentence at a token boundary; else it gives no pairs.
    """
    offsets = [0]
    for length in lengths:
        offsets.append(offsets[-1] + length)
    if len(lengths) == 1:
        if not split_single:
            return []
        spans = _windows(lengths[0], budget, rng, short_probability)
        cuts = [(begin, begin + _below(rng, end - begin - 1) + 1, end) for begin, end in spans]
    else:
        spans = chunks(lengths, budget, rng, short_probability)
        cuts = [
            (offsets[begin], offsets[begin + 1 + _below(rng, end - begin - 1)], offsets[end])
            for begin, end in spans
        ]
    return [_pair(*cut, budget, rng) for cut in cuts]


def chunks(
    lengths: Sequence[int], budget: int, rng: np.random.Generator, short_probability: float
) -> list[tuple[int, int]]:
    """Returns runs [begin, end) of two and more sentences that cover the document.

    A run ends when it holds its target of tokens. The runs are disjoint, but for a last sentence
    left alone.
    """
    count = len(lengths)
    backward = rng.random() < 0.5
    if backward:
        lengths = lengths[::-1]
    found = []
    begin = size = 0
    target = _target(budget, rng, short_probability)
    for end, length in enumerate(lengths, start=1):
        size += length
        if (size >= target and end - begin > 1) or end == count:
            found.append((min(begin, count - 2), end))
            begin, size = end, 0
            target = _target(budget, rng, short_probability)
    if backward:
        found = [(count - end, count - begin) for begin, end in reversed(found)]
    return found


def trimmed_lengths(first: int, second: int, budget: int) -> tuple[int, int]:
    """Returns the lengths after tokens are taken off the longer segment until both fit."""
    excess = first + second - budget
    if excess <= 0:
        return first, second
    difference = first - second
    if abs(difference) >= excess:
        return (first - excess, second) if difference > 0 else (first, second - excess)
    return (budget + 1) // 2, budget // 2


def _pair(begin: int, cut: int, end: int, budget: int, rng: np.random.Generator) -> Pair:
    """Trims the segments [begin, cut) and [cut, end) and swaps them by a fair coin."""
    swap = rng.random() < 0.5
    lengths = [cut - begin, end - cut]
    # The odd token of an even trim goes to segment A, whichever that is.
    kept = trimmed_lengths(*(lengths[::-1] if swap else lengths), budget)
    segments = []
    for start, length, keep in zip((begin, cut), lengths, kept[::-1] if swap else kept):
        if keep < length:
            start += int(rng.binomial(length - keep, 0.5))
        segments.append((start, start + keep))
    if swap:
        segments.reverse()
    return Pair(*segments[0], *segments[1], int(swap))


def _windows(
    length: int, budget: int, rng: np.random.Generator, short_probability: float
) -> list[tuple[int, int]]:
    """Returns runs of tokens that cover a sentence; a rest of one token is left out."""
    found, begin = [], 0
    while length - begin > 1:
        end = min(begin + _target(budget, rng, short_probability), length)
        found.append((begin, end))
        begin = end
    return found


def _target(budget: int, rng: np.random.Generator, short_probability: float) -> int:
    if rng.random() < short_probability:
        return 2 + _below(rng, budget - 1)
    return budget


def _below(rng: np.random.Generator, count: int) -> int:
    """Returns a uniform integer in [0, count); far cheaper than `rng.integers` for one draw."""
    return int(rng.random() * count)
