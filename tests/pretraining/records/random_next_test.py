import numpy as np

from albert_tf.pretraining.records.sentence_pairs import random_next_pairs

DOCUMENTS = [[4, 9, 2, 7, 5], [], [6, 3, 8], [1], [11], [2, 2, 10, 3, 6, 4]]
BOUNDS = [(0, 27), (27, 44), (45, 56), (56, 83)]  # In tokens, without the document of one token.


def home(begin, end):
    """Returns the index of the document that contains the tokens."""
    (document,) = [i for i, (first, last) in enumerate(BOUNDS) if first <= begin < end <= last]
    return document


def test_second_segments_follow_or_come_from_another_document():
    labels, alone = [], 0
    for seed in range(300):
        for a, a_end, b, b_end, label in random_next_pairs(
            DOCUMENTS, 17, np.random.default_rng(seed)
        ):
            assert 2 <= (a_end - a) + (b_end - b) <= 17
            if label:
                assert home(a, a_end) != home(b, b_end)
            else:
                assert home(a, a_end) == home(b, b_end)
                assert a_end <= b
            alone += home(a, a_end) == 2
            labels.append(label)
    assert alone == 300  # The document of one sentence gives one pair for each seed.
    assert 0.5 < np.mean(labels) < 0.75  # Above 0.5, as chunks of one sentence always get label 1.


def test_sentences_replaced_by_a_random_segment_are_used_again():
    (document,) = [list(range(3, 13))]
    for seed in range(50):
        pairs = random_next_pairs([document, [5, 5]], 30, np.random.default_rng(seed), 0.0)
        covered = set()
        for a, a_end, b, b_end, label in pairs:
            covered |= set(range(a, a_end)) | (set() if label else set(range(b, b_end)))
        # Trimming removes tokens at the ends of segments that are too long.
        assert len(covered) > 0.7 * (sum(document) + 10)


def test_a_single_document_provides_its_own_random_segments():
    pairs = random_next_pairs([[3, 4, 5]], 60, np.random.default_rng(1), 0.0)
    assert pairs and all(0 <= p.b_begin < p.b_end <= 12 for p in pairs)
