"""Compares the masks drawn in the graph with those of masking.py, which follow the same rules."""

import numpy as np
import pytest

from albert_tf.pretraining.masking import masking
from albert_tf.pretraining.masking.masking import Masking
from albert_tf.tokenization.special_ids import SENTENCEPIECE
from tests.support.mask_layouts import (
    ROWS,
    VOCAB_SIZE,
    WIDTH,
    Instances,
    draw_instances,
    draw_layout,
    standard_error,
)


@pytest.fixture(scope="module")
def instances():
    return draw_instances()


@pytest.fixture(scope="module")
def many():
    """The same layout many times, to measure how often each token is masked."""
    return Instances([draw_layout(np.random.default_rng(4), WIDTH - 3)] * ROWS)


SETTINGS = {
    "usual": Masking(max_predictions=7),
    "longer": Masking(max_predictions=5, favor_longer=True),
    "words": Masking(max_predictions=40, rate=0.4, max_ngram=1),
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_masks_whole_units_within_the_same_budget_as_static_masks(instances, settings):
    out = instances.masked(settings, [1, 2])
    chosen = instances.chosen(out)
    assert not (chosen & ~instances.maskable).any()
    assert (chosen.sum(1) == out.weights.sum(1)).all()  # No position occurs twice.
    unit, sizes = masking.units(instances.maskable, instances.begins)
    for row in range(0, ROWS, 11):
        inside = instances.maskable[row]
        taken = np.bincount(unit[row][inside], chosen[row][inside], sizes.shape[1])
        assert ((taken == 0) | (taken == sizes[row])).all()
    expected, _ = instances.expected(settings)
    budget = masking.budgets(instances.maskable, settings)
    assert (chosen.sum(1) <= budget).all()
    filled, aim = [(c.sum(1) == budget).mean() for c in (chosen, expected)]
    assert abs(filled - aim) < 4 * standard_error(aim, ROWS / 2)
    assert chosen.sum() == pytest.approx(expected.sum(), rel=0.002)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_every_token_is_masked_as_often_as_with_static_masks(many, settings):
    chosen = many.chosen(many.masked(settings, [5, 6])).mean(0)
    expected = many.expected(settings)[0].mean(0)
    error = standard_error((chosen + expected) / 2, ROWS / 2)
    assert (np.abs(chosen - expected) <= 4.5 * error).all()
    assert chosen[many.maskable[0]].std() > 0.005  # Rates differ, as long units fit less often.


def test_labels_and_replacements_follow_the_rules(instances):
    out = instances.masked(SETTINGS["usual"], [9, 10])
    chosen = instances.chosen(out)
    assert (out.input_ids[~chosen] == instances.ids[~chosen]).all()
    used = out.weights > 0
    assert (np.diff(out.positions, axis=1)[used[:, 1:]] > 0).all()
    old = np.take_along_axis(instances.ids, out.positions, 1)
    assert (out.labels == np.where(used, old, 0)).all()
    assert (out.positions[~used] == 0).all()
    new, old = out.input_ids[chosen], instances.ids[chosen]
    random = (new != SENTENCEPIECE.mask) & (new != old)
    ordinary = VOCAB_SIZE - len(SENTENCEPIECE)
    shares = [(new == SENTENCEPIECE.mask).mean(), random.mean(), (new == old).mean()]
    for share, aim in zip(shares, (0.8, 0.1 - 0.1 / ordinary, 0.1 + 0.1 / ordinary)):
        assert abs(share - aim) < 4 * standard_error(aim, new.size)
    assert new[random].min() >= len(SENTENCEPIECE)
    assert VOCAB_SIZE - 9 < new[random].max() < VOCAB_SIZE


def test_masks_depend_only_on_the_seed(instances):
    one, two, other, next_ = (
        instances.masked(SETTINGS["usual"], seed) for seed in ([1, 2], [1, 2], [2, 2], [1, 3])
    )
    for a, b in zip(one, two):
        np.testing.assert_array_equal(a, b)
    for different in (other, next_):
        assert ((one.positions != different.positions).any(1)).mean() > 0.9


def test_single_segments_are_masked_and_empty_instances_are_not():
    both = Instances([([11, 0], [1, 2, 2, 4]), ([2, 1], [])])
    chosen = both.chosen(both.masked(Masking(rate=0.99, max_predictions=20), [0, 0]))
    assert np.flatnonzero(chosen[0]).tolist() == list(range(1, 10))
    assert not chosen[1].any()
