"""Makes pairs of segments from documents, for sentence-order prediction.

A chunk is a run of sentences of one document. It is split at a sentence boundary into two segments;
label 0 keeps them in order, label 1 swaps them. All functions work on sentence lengths in tokens
and return offsets, so that no tokens are copied.

The lengths of the segments must not reveal the label. A greedy chunk ends with the sentence that
overshoots the target, and long sentences overshoot more often. Each document is therefore chunked
from its start or from its end with equal probability, so that the longer segment is equally often
the first and the second. Tokens beyond the budget are trimmed from the longer segment, at either
end with equal probability, as in the original.

A single sentence left at the end is paired with the sentence before it. (The original pairs it with
a random other document under label 1.)

`random_next_pairs` makes pairs as in BERT instead.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Pair(NamedTuple):
    """Two segments as offsets [begin, end) into the tokens; label 1 means swapped."""

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
    """Returns the pairs of a document.

    Args:
      lengths: the number of tokens in each sentence, all positive.
      budget: the maximum number of tokens in a pair, at least 2.
      rng: the random generator, used in the order of the pairs.
      short_probability: the probability that the target length is drawn from [2, budget] instead of
        being `budget`, so that the model also sees short sequences; 0.1 as in the original.
      split_single: whether to split a document of one sentence at a token boundary; otherwise it
        gives no pairs.
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
    runs, begin = [], 0
    while begin < length:
        end = min(begin + target_length(budget, rng, short_probability), length)
        runs.append((begin, end))
        begin = end
    return runs


def chunks(
    lengths: Sequence[int], budget: int, rng: np.random.Generator, short_probability: float
) -> list[tuple[int, int]]:
    """Returns runs [begin, end) of two or more sentences that cover the document.

    A run ends when it reaches its target number of tokens. The runs are disjoint, unless a single
    sentence is left over and takes its neighbour again.
    """
    count = len(lengths)
    backward = rng.random() < 0.5
    if backward:
        lengths = lengths[::-1]
    runs = []
    begin = size = 0
    target = target_length(budget, rng, short_probability)
    for end, length in enumerate(lengths, start=1):
        size += length
        if (size >= target and end - begin > 1) or end == count:
            runs.append((min(begin, count - 2), end))
            begin, size = end, 0
            target = target_length(budget, rng, short_probability)
    if backward:
        runs = [(count - end, count - begin) for begin, end in reversed(runs)]
    return runs


def trimmed_lengths(first: int, second: int, budget: int) -> tuple[int, int]:
    """Returns the lengths after removing tokens from the longer segment until both fit."""
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
    """Trims the segments [begin, end) to the budget, at either end with equal probability."""
    segments = []
    lengths = [end - begin for begin, end in (a, b)]
    for (begin, _), length, kept in zip((a, b), lengths, trimmed_lengths(*lengths, budget)):
        if kept < length:
            begin += int(rng.binomial(length - kept, 0.5))
        segments += [begin, begin + kept]
    return Pair(*segments, label)


def _pair(begin: int, cut: int, end: int, budget: int, rng: np.random.Generator) -> Pair:
    """Swaps the segments [begin, cut) and [cut, end) with probability 0.5, and trims them."""
    segments = [(begin, cut), (cut, end)]
    swap = rng.random() < 0.5
    if swap:
        segments.reverse()
    return trimmed_pair(*segments, int(swap), budget, rng)


def target_length(budget: int, rng: np.random.Generator, short_probability: float) -> int:
    """Returns `budget`, or with probability `short_probability` a number in [2, budget]."""
    if rng.random() < short_probability:
        return 2 + below(rng, budget - 1)
    return budget


def below(rng: np.random.Generator, count: int) -> int:
    """Draws a uniform integer in [0, count); much faster than `rng.integers` for one draw."""
    return int(rng.random() * count)


def random_next_pairs(
    documents: Sequence[Sequence[int]],
    budget: int,
    rng: np.random.Generator,
    short_probability: float = 0.1,
) -> list[Pair]:
    """Returns pairs as in BERT: segment B follows A (label 0), or is random (label 1).

    This is `--random_next_sentence` of the original script, for comparisons. A chunk of one
    sentence always gets a random B, and after a random B the sentences after A are used again in
    the next chunk. Offsets are into the concatenated tokens of all documents.

    Args:
      documents: the number of tokens (positive) in each sentence of each document. Documents of
        fewer than two tokens are skipped. Random segments come from these documents; a single
        document provides its own random segments.
      budget: the maximum number of tokens in a pair, at least 2.
      rng: the random generator, used in the order of the pairs.
      short_probability: the probability that the target length for all pairs of a document is drawn
        from [2, budget].
    """
    offsets = [0, *itertools.accumulate(itertools.chain.from_iterable(documents))]
    bounds = itertools.accumulate(map(len, documents), initial=0)
    spans = [(a, b) for a, b in itertools.pairwise(bounds) if offsets[b] - offsets[a] > 1]
    pairs = []
    for number, (first, last) in enumerate(spans):
        target = target_length(budget, rng, short_probability)
        while first < last:
            end = _reach(offsets, first, last, target)
            cut = first + 1 + (below(rng, end - first - 1) if end - first > 1 else 0)
            a = offsets[first], offsets[cut]
            if end - first == 1 or rng.random() < 0.5:
                other = spans[(number + 1 + below(rng, max(len(spans) - 1, 1))) % len(spans)]
                begin = other[0] + below(rng, other[1] - other[0])
                b_end = _reach(offsets, begin, other[1], target - (a[1] - a[0]))
                b = offsets[begin], offsets[b_end]
                pairs.append(trimmed_pair(a, b, 1, budget, rng))
                first = cut
            else:
                pairs.append(trimmed_pair(a, (a[1], offsets[end]), 0, budget, rng))
                first = end
    return pairs


def _reach(offsets: Sequence[int], begin: int, last: int, target: int) -> int:
    """Returns the end of the shortest run of sentences from `begin` that has `target` tokens."""
    end = begin + 1
    while end < last and offsets[end] - offsets[begin] < target:
        end += 1
    return end
