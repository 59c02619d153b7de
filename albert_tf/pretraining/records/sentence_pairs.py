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

import itertools
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
    if len(lengths) == 1:
        if not split_single:
            return []
        spans = [s for s in windows(lengths[0], budget, rng, short_probability) if s[1] - s[0] > 1]
        cuts = [(begin, begin + below(rng, end - begin - 1) + 1, end) for begin, end in spans]
    else:
        offsets = [0, *itertools.accumulate(lengths)]
        spans = chunks(lengths, budget, rng, short_probability)
        cuts = [
            (offsets[begin], offsets[begin + 1 + below(rng, end - begin - 1)], offsets[end])
            for begin, end in spans
        ]
    return [_pair(*cut, budget, rng) for cut in cuts]


def windows(
    length: int, budget: int, rng: np.random.Generator, short_probability: float
) -> list[tuple[int, int]]:
    """Returns runs of tokens [begin, end) that cover a text of `length` tokens."""
    found, begin = [], 0
    while begin < length:
        end = min(begin + target_length(budget, rng, short_probability), length)
        found.append((begin, end))
        begin = end
    return found


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
    target = target_length(budget, rng, short_probability)
    for end, length in enumerate(lengths, start=1):
        size += length
        if (size >= target and end - begin > 1) or end == count:
            found.append((min(begin, count - 2), end))
            begin, size = end, 0
            target = target_length(budget, rng, short_probability)
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


def trimmed_pair(
    a: tuple[int, int], b: tuple[int, int], label: int, budget: int, rng: np.random.Generator
) -> Pair:
    """Returns the segments [begin, end), trimmed to the budget at both ends by fair coins."""
    segments = []
    lengths = [end - begin for begin, end in (a, b)]
    for (begin, _), length, kept in zip((a, b), lengths, trimmed_lengths(*lengths, budget)):
        if kept < length:
            begin += int(rng.binomial(length - kept, 0.5))
        segments += [begin, begin + kept]
    return Pair(*segments, label)


def _pair(begin: int, cut: int, end: int, budget: int, rng: np.random.Generator) -> Pair:
    """Swaps the segments [begin, cut) and [cut, end) by a fair coin and trims them."""
    segments = [(begin, cut), (cut, end)]
    swap = rng.random() < 0.5
    if swap:
        segments.reverse()
    return trimmed_pair(*segments, int(swap), budget, rng)


def target_length(budget: int, rng: np.random.Generator, short_probability: float) -> int:
    """Returns `budget`, or with a small probability a number in [2, budget]."""
    if rng.random() < short_probability:
        return 2 + below(rng, budget - 1)
    return budget


def below(rng: np.random.Generator, count: int) -> int:
    """Returns a uniform integer in [0, count); far cheaper than `rng.integers` for one draw."""
    return int(rng.random() * count)
