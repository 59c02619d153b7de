import numpy as np
import pytest

from albert_tf.pretraining.records.sentence_pairs import (
    Pair,
    chunks,
    document_pairs,
    trimmed_lengths,
)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    "first, second, budget, expected",
    [
        (3, 4, 10, (3, 4)),
        (3, 7, 10, (3, 7)),
        (3, 20, 10, (3, 7)),
        (20, 3, 10, (7, 3)),
        (30, 20, 11, (6, 5)),
        (20, 30, 11, (6, 5)),
        (9, 5, 10, (5, 5)),
    ],
)
def test_trimmed_lengths(first, second, budget, expected):
    assert trimmed_lengths(first, second, budget) == expected


def test_chunks_of_two_or_more_sentences_cover_the_document():
    lengths = [4, 9, 1, 30, 2, 2, 5, 8, 3]
    for seed in range(50):
        runs = chunks(lengths, 12, rng(seed), short_probability=0.3)
        assert all(end - begin >= 2 for begin, end in runs)
        assert {i for begin, end in runs for i in range(begin, end)} == set(range(9))
        overlaps = sum(end - begin for begin, end in runs) - 9
        assert overlaps in (0, 1)  # A single leftover sentence takes its neighbour.


def test_chunks_end_at_the_target_from_either_side():
    runs = {tuple(chunks([5, 5, 5, 5, 5], 10, rng(seed), 0.0)) for seed in range(20)}
    assert runs == {((0, 2), (2, 4), (3, 5)), ((0, 2), (1, 3), (3, 5))}


def test_pairs_stay_in_their_document_and_budget():
    lengths = [4, 9, 1, 30, 2, 2, 5, 8, 3]
    borders = set(np.cumsum([0, *lengths]).tolist())
    labels = set()
    for seed in range(100):
        for pair in document_pairs(lengths, 64, rng(seed), short_probability=0.0):
            assert (pair.a_end - pair.a_begin) + (pair.b_end - pair.b_begin) <= 64
            assert set(pair[:4]) <= borders  # The document fits, so nothing is trimmed.
            first, second = (pair[:2], pair[2:4]) if pair.label == 0 else (pair[2:4], pair[:2])
            assert first[0] < first[1] == second[0] < second[1]
            labels.add(pair.label)
    assert labels == {0, 1}


def test_trimming_shortens_the_longer_segment_at_both_ends():
    begins = set()
    for seed in range(60):
        (pair,) = document_pairs([3, 40], 13, rng(seed), short_probability=0.0)
        segments = sorted([pair[:2], pair[2:4]])
        assert segments[0] == (0, 3)
        begin, end = segments[1]
        assert end - begin == 10
        assert 3 <= begin <= 33
        begins.add(begin)
    assert len(begins) > 5


def test_labels_are_balanced_and_independent_of_lengths():
    draw = rng(7)
    pairs = []
    for seed in range(3500):
        lengths = draw.geometric(0.08, size=draw.integers(2, 30)).tolist()
        pairs += document_pairs(lengths, 61, rng(seed))
    rows = np.array(pairs)
    assert len(rows) > 8000
    a, b, label = rows[:, 1] - rows[:, 0], rows[:, 3] - rows[:, 2], rows[:, 4]
    assert abs(label.mean() - 0.5) < 0.02
    # Four standard errors; the greedy chunks of the original differ by about 0.08 here.
    for group in (a > b, a < b, a > 2 * b, 2 * a < b):
        assert group.sum() > 500
        assert abs(label[group].mean() - 0.5) < 4 * 0.5 / np.sqrt(group.sum())


def test_short_sequences_occur_with_the_given_probability():
    lengths = [7] * 2000
    pairs = [p for s in range(20) for p in document_pairs(lengths, 100, rng(s), 0.1)]
    sizes = np.array([p.a_end - p.a_begin + p.b_end - p.b_begin for p in pairs])
    # A target drawn from [2, 100] fills the sequence if it exceeds 98 - 7, one sentence less.
    share = (sizes < 100).mean()
    assert abs(share - 0.1 * 97 / 99) < 4 * np.sqrt(0.09 / len(sizes))


def test_a_document_of_one_sentence_is_dropped_or_split():
    assert document_pairs([50], 20, rng()) == []
    pairs = document_pairs([50], 20, rng(), short_probability=0.0, split_single=True)
    spans = [(min(p.a_begin, p.b_begin), max(p.a_end, p.b_end)) for p in pairs]
    assert spans == [(0, 20), (20, 40), (40, 50)]
    for pair in pairs:
        first, second = (pair[:2], pair[2:4]) if pair.label == 0 else (pair[2:4], pair[:2])
        assert first[0] < first[1] == second[0] < second[1]
    assert document_pairs([1], 20, rng(), split_single=True) == []


def test_the_same_generator_gives_the_same_pairs():
    lengths = [5, 20, 3, 40, 8, 9, 11]
    assert document_pairs(lengths, 30, rng(3)) == document_pairs(lengths, 30, rng(3))
    assert all(isinstance(pair, Pair) for pair in document_pairs(lengths, 30, rng(3)))
