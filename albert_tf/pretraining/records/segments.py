"""Chooses the segments in a block of documents, for the pretraining task in the settings."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from albert_tf.pretraining.records.build_settings import BuildSettings
from albert_tf.pretraining.records.packing import SPECIAL_TOKENS
from albert_tf.pretraining.records.random_next import random_next_pairs
from albert_tf.pretraining.records.sentence_pairs import Pair, document_pairs, windows


def block_pairs(
    documents: Sequence[Sequence[int]], settings: BuildSettings, rng: np.random.Generator
) -> np.ndarray:
    """Returns rows of `Pair` with offsets into the tokens of all documents, int64 [N, 5].

    Args:
      documents: the number of tokens in each sentence of each document; documents of fewer than two
        tokens are skipped.
      settings: the build settings. Without sentence order, the first segments are runs of tokens
        that cover a document, and the second segments are empty.
      rng: the only source of randomness.
    """
    budget, short = settings.max_seq_length - SPECIAL_TOKENS, settings.short_seq_prob
    if settings.random_next_sentence:
        pairs = random_next_pairs(documents, budget, rng, short)
        return np.array(pairs, np.int64).reshape(-1, len(Pair._fields))
    rows = []
    offsets = itertools.accumulate(map(sum, documents), initial=0)
    for document, offset in zip(documents, offsets):
        size = sum(document)
        if size < 2:
            continue
        if settings.sentence_order:
            split = settings.single_sentence == "split"
            pairs = document_pairs(document, budget, rng, short, split)
        else:
            spans = windows(size, budget + 1, rng, short)  # + 1, as there is only one [SEP].
            pairs = [Pair(begin, end, end, end, 0) for begin, end in spans]
        rows += [(*(offset + place for place in pair[:4]), pair.label) for pair in pairs]
    return np.array(rows, np.int64).reshape(-1, len(Pair._fields))
