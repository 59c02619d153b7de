"""The masks of the graph against those of masking.py, whose rules they share."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.data import masking, record_batches
from albert_tf.data.dynamic_masking import FIRST_ORDINARY_ID, MASK_ID, choose, mask
from albert_tf.data.masking import Masking
from albert_tf.data.record_kinds import Kind

STATISTICS = json.loads(
    (Path(__file__).parents[1] / "testdata/pretraining_data/original_stats.json").read_text()
)
VOCAB_SIZE = 900
ROWS, WIDTH = 6007, 43


def draw_layout(rng, text):
    """Returns lengths of segments and units of an instance with `text` tokens."""
    first = int(rng.integers(1, text))
    units = []
    for left in (first, text - first):
        while left:
            units.append(min(left, int(rng.choice([1, 2, 3, 9], p=[0.6, 0.25, 0.1, 0.05]))))
            left -= units[-1]
    return [first + 2, text - first + 1], units


class Instances:
    """Instances as the graph takes them and as masking.py does."""

    def __init__(self, layouts, seed=0):
        rng = np.random.default_rng(seed)
        rows = len(layouts)
        self.segments = np.array([segments for segments, _ in layouts], np.int32)
        self.units = np.zeros((rows, max(len(units) for _, units in layouts)), np.int32)
        self.ids = np.zeros((rows, WIDTH), np.int32)
        self.maskable = np.zeros((rows, WIDTH), bool)
        self.begins = np.zeros((rows, WIDTH), bool)
        for row, ((first, second), units) in enumerate(layouts):
            length = first + second
            self.units[row, : len(units)] = units
            self.ids[row, :length] = rng.integers(FIRST_ORDINARY_ID, VOCAB_SIZE, length)
            self.ids[row, [0, first - 1, length - 1]] = 2, 3, 3
            self.maskable[row, 1 : length - 1] = True
            self.maskable[row, first - 1] = False
            text = np.flatnonzero(self.maskable[row])
            self.begins[row, text[np.cumsum([0, *units])[:-1]]] = True

    def masked(self, settings, seed):
        """Returns what the graph gives, as NumPy arrays."""
        inputs = (tf.constant(x) for x in (self.ids, self.segments, self.units))
        out = mask(*inputs, settings, VOCAB_SIZE, tf.constant(seed, tf.int64))
        return type(out)(*(x.numpy() for x in out))

    def chosen(self, out):
        """Returns which tokens are predicted, bool [B, S]."""
        chosen = np.zeros_like(self.maskable)
        rows, slots = np.nonzero(out.weights)
        chosen[rows, out.positions[rows, slots]] = True
        return chosen

    def expected(self, settings):
        """Returns which tokens masking.py chooses, bool [B, S], and its n-gram counts."""
        budget = masking.budgets(self.maskable, settings)
        rng = np.random.default_rng(1)
        return masking.choose(self.maskable, self.begins, budget, settings, rng)


def standard_error(share, count):
    return np.sqrt(share * (1 - share) / count)


@pytest.fixture(scope="module")
def instances():
    rng = np.random.default_rng(3)
    return Instances([draw_layout(rng, int(rng.integers(5, WIDTH - 2))) for _ in range(ROWS)])


@pytest.fixture(scope="module")
def many():
    """One layout many times, so that each token has a rate of its own."""
    return Instances([draw_layout(np.random.default_rng(4), WIDTH - 3)] * ROWS)


SETTINGS = {
    "usual": Masking(max_predictions=7),
    "longer": Masking(max_predictions=5, favor_longer=True),
    "words": Masking(max_predictions=40, rate=0.4, max_ngram=1),
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_masks_whole_units_up_to_the_budget_of_the_static_masks(instances, settings):
    out = instances.masked(settings, [1, 2])
    chosen = instances.chosen(out)
    assert not (chosen & ~instances.maskable).any()
    assert (chosen.sum(1) == out.weights.sum(1)).all()  # no position twice
    unit, sizes = masking.units(instances.maskable, instances.begins)
    for row in range(0, ROWS, 11):
        inside = instances.maskable[row]
        taken = np.bincount(unit[row][inside], chosen[row][inside], sizes.shape[1])
        assert (np.isin(taken, [0]) | (taken == sizes[row])).all()
    expected, _ = instances.expected(settings)
    budget = masking.budgets(instances.maskable, settings)
    assert (chosen.sum(1) <= budget).all()
    filled, aim = [(c.sum(1) == budget).mean() for c in (chosen, expected)]
    assert abs(filled - aim) < 4 * standard_error(aim, ROWS / 2)
    assert chosen.sum() == pytest.approx(expected.sum(), rel=0.004)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_every_token_is_masked_as_often_as_by_the_static_masks(many, settings):
    chosen = many.chosen(many.masked(settings, [5, 6])).mean(0)
    expected = many.expected(settings)[0].mean(0)
    error = standard_error((chosen + expected) / 2, ROWS / 2)
    assert (np.abs(chosen - expected) <= 4.5 * error).all()
    assert chosen[many.maskable[0]].std() > 0.005  # the rates differ: long units fit less often


def ngrams(units, budget, settings, seed):
    """Returns how many runs of 1, 2 and 3 units are masked."""
    seed = tf.constant(seed, tf.int64)
    runs = choose(tf.constant(units), tf.constant(budget, tf.int32), settings, seed)
    begin, size = runs.begin.numpy()[..., None], runs.size.numpy()[..., None]  # [B, C, 1]
    starts = np.cumsum(units, 1) - units
    inside = (starts[:, None] >= begin) & (starts[:, None] < begin + size)
    lengths = (inside & (units > 0)[:, None]).sum(-1)  # [B, C]
    return np.bincount(lengths[size[..., 0] > 0], minlength=4)[1:]


@pytest.mark.parametrize("favor_longer", [False, True])
def test_lengths_of_ngrams(instances, favor_longer):
    settings = Masking(max_predictions=9, rate=0.2, favor_longer=favor_longer)
    budget = masking.budgets(instances.maskable, settings)
    counts = ngrams(instances.units, budget, settings, [7, 8])
    _, expected = instances.expected(settings)
    for n in range(3):
        shares = counts[n] / counts.sum(), expected[n] / expected.sum()
        error = standard_error(sum(shares) / 2, counts.sum() / 2)
        assert abs(shares[0] - shares[1]) < 4.5 * error


def test_lengths_of_ngrams_on_the_originals_corpus(golden_builds):
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


def test_labels_and_replacements(instances):
    out = instances.masked(SETTINGS["usual"], [9, 10])
    chosen = instances.chosen(out)
    assert (out.input_ids[~chosen] == instances.ids[~chosen]).all()
    used = out.weights > 0
    assert (np.diff(out.positions, axis=1)[used[:, 1:]] > 0).all()
    old = np.take_along_axis(instances.ids, out.positions, 1)
    assert (out.labels == np.where(used, old, 0)).all()
    assert (out.positions[~used] == 0).all()
    new, old = out.input_ids[chosen], instances.ids[chosen]
    random = (new != MASK_ID) & (new != old)
    ordinary = VOCAB_SIZE - FIRST_ORDINARY_ID
    shares = [(new == MASK_ID).mean(), random.mean(), (new == old).mean()]
    for share, aim in zip(shares, (0.8, 0.1 - 0.1 / ordinary, 0.1 + 0.1 / ordinary)):
        assert abs(share - aim) < 4 * standard_error(aim, new.size)
    assert new[random].min() >= FIRST_ORDINARY_ID
    assert VOCAB_SIZE - 9 < new[random].max() < VOCAB_SIZE


def test_masks_depend_on_the_seed_alone(instances):
    one, two, other, next_ = (
        instances.masked(SETTINGS["usual"], seed) for seed in ([1, 2], [1, 2], [2, 2], [1, 3])
    )
    for a, b in zip(one, two):
        np.testing.assert_array_equal(a, b)
    for different in (other, next_):
        assert ((one.positions != different.positions).any(1)).mean() > 0.9


def test_a_segment_alone_and_an_instance_without_text():
    both = Instances([([11, 0], [1, 2, 2, 4]), ([2, 1], [])])
    chosen = both.chosen(both.masked(Masking(rate=0.99, max_predictions=20), [0, 0]))
    assert np.flatnonzero(chosen[0]).tolist() == list(range(1, 10))
    assert not chosen[1].any()
