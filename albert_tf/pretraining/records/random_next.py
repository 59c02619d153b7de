"""Makes pairs as in BERT: segment B follows A, or comes from a random other document.

This corresponds to `--random_next_sentence` of the original script and is meant for comparisons;
ALBERT's task is in sentence_pairs.py. Label 1 means random. A chunk of one sentence always gets a
random B. If B is random, the sentences after A are used again in the next chunk.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from albert_tf.pretraining.records.sentence_pairs import Pair, below, target_length, trimmed_pair


def random_next_pairs(
    documents: Sequence[Sequence[int]],
    budget: int,
    rng: np.random.Generator,
    short_probability: float = 0.1,
) -> list[Pair]:
    """Returns the pairs of all documents, with offsets into the concatenated tokens.

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
