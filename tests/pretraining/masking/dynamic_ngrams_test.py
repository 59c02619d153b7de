"""Compares the n-grams drawn in the graph with those of masking.py and of the original."""

import json

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.pretraining.masking import masking
from albert_tf.pretraining.masking.dynamic_ngrams import choose
from albert_tf.pretraining.masking.masking import Masking
from albert_tf.pretraining.records import record_batches
from albert_tf.pretraining.records.record_kinds import Kind
from tests.support.mask_layouts import draw_instances, standard_error
from tests.support.paths import TESTDATA

STATISTICS = json.loads((TESTDATA / "pretraining_data/original_stats.json").read_text())


def ngrams(units, budget, settings, seed):
    """Returns the number of masked runs of 1, 2 and 3 units."""
    seed = tf.constant(seed, tf.int64)
    runs = choose(tf.constant(units), tf.constant(budget, tf.int32), settings, seed)
    begin, size = runs.begin.numpy()[..., None], runs.size.numpy()[..., None]  # [B, C, 1]
    starts = np.cumsum(units, 1) - units
    inside = (starts[:, None] >= begin) & (starts[:, None] < begin + size)
    lengths = (inside & (units > 0)[:, None]).sum(-1)  # [B, C]
    return np.bincount(lengths[size[..., 0] > 0], minlength=4)[1:]


@pytest.mark.parametrize("favor_longer", [False, True])
def test_ngram_lengths_equal_static_masking(favor_longer):
    instances = draw_instances()
    settings = Masking(max_predictions=9, rate=0.2, favor_longer=favor_longer)
    budget = masking.budgets(instances.maskable, settings)
    counts = ngrams(instances.units, budget, settings, [7, 8])
    _, expected = instances.expected(settings)
    for n in range(3):
        shares = counts[n] / counts.sum(), expected[n] / expected.sum()
        error = standard_error(sum(shares) / 2, counts.sum() / 2)
        assert abs(shares[0] - shares[1]) < 4.5 * error


def test_ngram_lengths_equal_the_original_on_its_corpus(golden_builds):
    files = tf.data.Dataset.list_files(str(golden_builds["dynamic"] / "*.tfrecord"), shuffle=False)
    (serialized,) = tf.data.TFRecordDataset(files).batch(10_000)
    parsed = record_batches.parse_dynamic(serialized, Kind(True, False, True))
    units, tokens = (parsed[name].numpy() for name in ("unit_lengths", "segment_lengths"))
    settings = Masking(max_predictions=10)
    budget = np.rint(tokens.sum(1) * settings.rate).clip(1, 10)
    counts = sum(ngrams(units, budget, settings, [3, draw]) for draw in range(4))
    for n, theirs in STATISTICS["ngram_words_accepted"].items():
        total = sum(STATISTICS["ngram_words_accepted"].values())
        share, aim = counts[int(n) - 1] / counts.sum(), theirs / total
        error = np.hypot(standard_error(aim, counts.sum()), standard_error(aim, total))
        assert abs(share - aim) < 4 * error
