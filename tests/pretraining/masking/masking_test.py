import dataclasses

import numpy as np
import pytest

from albert_tf.errors import InputError
from albert_tf.pretraining.masking.masking import (
    Masking,
    budgets,
    choose,
    mask,
    predictions,
    replace,
    unit_starts,
)

MASK_ID = 4


def instances(rows, width, seed=0, unit_share=0.6):
    """Returns ids, maskable and unit starts of [CLS] A [SEP] B [SEP] rows of different lengths."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(5, 900, (rows, width)).astype(np.int32)
    maskable = np.zeros((rows, width), bool)
    for row in range(rows):
        length = int(rng.integers(8, width + 1))
        maskable[row, 1 : length - 1] = True
        maskable[row, int(rng.integers(3, length - 3))] = False
    ids[~maskable] = 3
    return ids, maskable, rng.random((rows, width)) < unit_share


def test_budget_counts_special_tokens_and_is_bounded():
    maskable = np.zeros((4, 50), bool)
    maskable[0, 1:3] = True  # [CLS] 2 [SEP]: 4 tokens, 0.6 -> 1
    maskable[1, [1, 3]] = True  # 5 tokens, 0.75 -> 1
    maskable[2, 1:40] = True
    maskable[2, 20] = False  # 38 + 3 tokens, 6.15 -> 6
    maskable[3, 1:49] = True
    maskable[3, 7] = False  # 50 tokens, 7.5 -> 8, above the maximum
    assert budgets(maskable, Masking(max_predictions=7)).tolist() == [1, 1, 6, 7]


def test_masks_whole_units_within_the_budget():
    ids, maskable, begins = instances(301, 40)
    masking = Masking(max_predictions=5)
    budget = budgets(maskable, masking)
    chosen, ngrams = choose(maskable, begins, budget, masking, np.random.default_rng(1))
    assert not (chosen & ~maskable).any()
    assert (chosen.sum(1) <= budget).all()
    assert (chosen.sum(1) >= 1).mean() > 0.99  # A unit can be larger than a small budget.
    taken = 0
    for row in range(len(ids)):
        unit, units = [], []
        for position in np.flatnonzero(maskable[row]):
            if unit and (begins[row, position] or not maskable[row, position - 1]):
                units.append(unit)
                unit = []
            unit.append(chosen[row, position])
        units.append(unit)
        assert all(all(u) or not any(u) for u in units)
        taken += sum(all(u) for u in units)
    assert taken == (ngrams * [1, 2, 3]).sum()


def test_ngram_lengths_follow_their_probabilities():
    # Each token is a unit and the budget is 3: the first draw always fits; after a run of 1, draws
    # of 2 and 3 become 2; the rest is filled with runs of 1.
    rows, width = 4001, 120
    maskable = np.ones((rows, width), bool)
    budget = np.full(rows, 3)
    _, ngrams = choose(maskable, maskable, budget, Masking(), np.random.default_rng(2))
    p1, p2, p3 = 6 / 11, 3 / 11, 2 / 11
    expected = np.array([p1 * (1 + 2 * p1) + p2, p2 + p1 * (1 - p1), p3])
    # The extra 0.01 allows for runs that start at the last units and are therefore shorter.
    np.testing.assert_allclose(ngrams / rows, expected, atol=4 * np.sqrt(0.5 / rows) + 0.01)


def test_ngram_probabilities():
    np.testing.assert_allclose(Masking().ngram_probabilities(), [6 / 11, 3 / 11, 2 / 11])
    longer = Masking(favor_longer=True, max_ngram=4).ngram_probabilities()
    np.testing.assert_allclose(longer, np.array([3, 4, 6, 12]) / 25)


def test_chosen_tokens_are_replaced_80_10_10_and_others_are_kept():
    ids, maskable, begins = instances(3001, 37, seed=3)
    masking = Masking(max_predictions=6)
    random_ids = np.arange(5, 900, dtype=np.int32)
    chosen, _ = choose(
        maskable, begins, budgets(maskable, masking), masking, np.random.default_rng(4)
    )
    new = replace(ids, chosen, MASK_ID, random_ids, np.random.default_rng(5))
    assert (new[~chosen] == ids[~chosen]).all()
    n = chosen.sum()
    shares = [
        (new[chosen] == MASK_ID).mean(),
        ((new != MASK_ID) & (new != ids))[chosen].mean(),
        (new == ids)[chosen].mean(),
    ]
    for share, aim in zip(shares, (0.8, 0.1 * 894 / 895, 0.1 + 0.1 / 895)):
        assert abs(share - aim) < 4 * np.sqrt(aim * (1 - aim) / n)


def test_predictions_are_ascending_and_padded_with_zeros():
    ids = np.arange(100, 114, dtype=np.int32).reshape(2, 7)
    chosen = np.array([[0, 1, 0, 0, 1, 1, 0], [0, 0, 0, 1, 0, 0, 0]], bool)
    positions, labels, weights = predictions(ids, chosen, 4)
    assert positions.tolist() == [[1, 4, 5, 0], [3, 0, 0, 0]]
    assert labels.tolist() == [[101, 104, 105, 0], [110, 0, 0, 0]]
    assert weights.tolist() == [[1, 1, 1, 0], [1, 0, 0, 0]]
    assert (positions.dtype, labels.dtype, weights.dtype) == (np.int32, np.int32, np.float32)
    assert predictions(ids, chosen, 9)[0].shape == (2, 9)  # More than there are positions.


def test_masks_depend_only_on_the_generator():
    ids, maskable, begins = instances(11, 24, seed=6)
    args = (ids, maskable, begins, Masking(max_predictions=5), MASK_ID, np.arange(5, 900))
    before = ids.copy()
    one = mask(*args, np.random.default_rng(7))
    two = mask(*args, np.random.default_rng(7))
    other = mask(*args, np.random.default_rng(8))
    assert (ids == before).all()
    for a, b in zip(one, two):
        np.testing.assert_array_equal(a, b)
    assert (one.positions != other.positions).any()
    rows, slots = np.nonzero(one.weights)
    assert (ids[rows, one.positions[rows, slots]] == one.labels[rows, slots]).all()


def test_permutation_shuffles_and_predicts_further_whole_units():
    ids, maskable, begins = instances(1501, 40, seed=9)
    masking = Masking(max_predictions=5, permute=True)
    out = mask(ids, maskable, begins, masking, MASK_ID, np.arange(5, 900), np.random.default_rng(1))
    assert out.positions.shape == (1501, 10) == (1501, masking.width)
    plain = dataclasses.replace(masking, permute=False)
    alike = mask(ids, maskable, begins, plain, MASK_ID, np.arange(5, 900), np.random.default_rng(1))
    chosen, masked = np.zeros(ids.shape, bool), np.zeros(ids.shape, bool)
    for marks, result in ((chosen, out), (masked, alike)):
        rows, slots = np.nonzero(result.weights)
        marks[rows, result.positions[rows, slots]] = True
        assert (ids[rows, result.positions[rows, slots]] == result.labels[rows, slots]).all()
    moved = chosen & ~masked
    assert (out.permuted, alike.permuted) == (moved.sum(), 0)
    assert (masked <= chosen).all()  # Permutation does not change the masks.
    np.testing.assert_array_equal(out.input_ids[~moved], alike.input_ids[~moved])
    assert abs(moved.sum() / masked.sum() - 1) < 0.05
    assert (moved.sum(1) <= budgets(maskable, masking)).all()
    for row in range(0, 1501, 7):
        assert sorted(out.input_ids[row][moved[row]]) == sorted(ids[row][moved[row]])
    starts = begins | ~np.pad(maskable[:, :-1], ((0, 0), (1, 0)))
    inside = maskable[:, 1:] & ~starts[:, 1:]  # Continues the unit of the previous token.
    assert (moved[:, 1:] == moved[:, :-1])[inside].all()
    assert (out.input_ids[moved] != ids[moved]).mean() > 0.5


def by_the_original(units, budget, max_ngram, rng):
    """Returns the masked positions, and for each shuffled position the source of its token.

    Applies the rule of create_masked_lm_predictions (google-research/albert,
    create_pretraining_data.py) to one instance, unit by unit.
    """
    lengths = np.arange(1, max_ngram + 1)
    taken = set()

    def pick():
        picked = []
        for first in rng.permutation(len(units)):
            for n in range(rng.choice(lengths, p=(1 / lengths) / (1 / lengths).sum()), 0, -1):
                run = [position for unit in units[first : first + n] for position in unit]
                if len(picked) + len(run) <= budget:
                    break
            if len(picked) + len(run) <= budget and taken.isdisjoint(run):
                picked += run
                taken.update(run)
        return sorted(picked)

    masked, moved = pick(), pick()
    return masked, dict(zip(moved, rng.permutation(moved)))


def test_permutation_follows_the_rule_of_the_original():
    rows, width, masking = 2003, 30, Masking(rate=0.17, max_predictions=9, permute=True)
    maskable, begins = np.ones((2, rows, width), bool)
    maskable[:, [0, 12, 29]] = False
    begins[:, [2, 3, 5, 6, 7, 11, 14, 15, 17, 18, 20, 21, 22, 24, 26, 27, 28]] = False
    units = []
    for position in np.flatnonzero(maskable[0]):
        units += [[]] if begins[0, position] else []
        units[-1].append(position)
    ids = np.tile(np.arange(100, 100 + width, dtype=np.int32), (rows, 1))  # Ids encode positions.
    out = mask(ids, maskable, begins, masking, MASK_ID, np.array([7]), np.random.default_rng(2))
    plain = dataclasses.replace(masking, permute=False)
    alike = mask(ids, maskable, begins, plain, MASK_ID, np.array([7]), np.random.default_rng(2))

    def ours(row):
        masked, chosen = (x.positions[row][x.weights[row] > 0] for x in (alike, out))
        moved = np.setdiff1d(chosen, masked)
        return masked, dict(zip(moved, out.input_ids[row][moved] - 100))

    rng = np.random.default_rng(3)
    counts = np.zeros((2, 4, width))  # For ours and for the original.
    for row in range(rows):
        theirs = by_the_original(units, 5, masking.max_ngram, rng)  # 5 is 30 x 0.17, rounded.
        for count, (masked, sources) in zip(counts, (ours(row), theirs)):
            assert sorted(sources) == sorted(sources.values())
            assert not set(masked) & set(sources) and max(len(masked), len(sources)) <= 5
            count[0, masked] += 1
            count[1, list(sources)] += 1
            count[2, [place for place, source in sources.items() if place == source]] += 1
            count[3, len(sources)] += 1
    shares = counts / rows
    error = np.sqrt(2 * shares[1] * (1 - shares[1]) / rows)
    assert (abs(shares[0] - shares[1]) <= 4 * error + 1e-9).all()
    assert (counts[1][:3].sum(1) > 1000).all() and (counts[1][3] > 30).sum() > 2


def test_an_instance_without_text_has_no_predictions():
    maskable = np.zeros((2, 9), bool)
    maskable[1, 1:8] = True
    ids = np.full((2, 9), 7, np.int32)
    out = mask(
        ids, maskable, maskable, Masking(), MASK_ID, np.arange(5, 9), np.random.default_rng(0)
    )
    assert out.weights.sum(1).tolist() == [0, 1]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"rate": 0.0}, r"rate must lie in \(0, 1\). Received 0.0"),
        ({"rate": 1.0}, r"rate must lie in \(0, 1\). Received 1.0"),
        ({"max_predictions": 0}, "max_predictions must be at least 1. Received 0"),
        ({"max_ngram": 0}, "max_ngram must be at least 1. Received 0"),
    ],
)
def test_invalid_settings_are_errors(arguments, message):
    with pytest.raises(InputError, match=message):
        Masking(**arguments)


def starts(*pieces):
    words = np.array([piece.startswith("▁") for piece in pieces])
    return unit_starts(pieces, words).tolist()


def test_letters_of_any_script_continue_a_word():
    german = ["▁grö", "ß", "te", "▁haus", "tür"]
    assert starts(*german) == [True, False, False, True, False]
    turkish = ["▁ev", "ler", "imiz", "▁ışı", "ğı"]
    assert starts(*turkish) == [True, False, False, True, False]
    arabic = ["▁ال", "كتا", "ب"]
    assert starts(*arabic) == [True, False, False]


def test_digits_and_other_signs_begin_a_unit():
    assert starts("▁in", "1995", "s", "0,", "→") == [True, True, False, True, True]


def test_listed_signs_continue_a_unit_in_longer_pieces():
    assert starts("▁x", "),", "e.g", "'t") == [True, False, False, True]


def test_word_starts_of_the_tokenizer_begin_a_unit():
    words = np.array([True, False, True])  # As in a script without spaces.
    assert unit_starts(["▁日", "本", "語"], words).tolist() == [True, False, True]
