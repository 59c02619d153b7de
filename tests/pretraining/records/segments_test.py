import numpy as np
import pytest

from albert_tf.pretraining.records.build_settings import BuildSettings
from albert_tf.pretraining.records.instances import block_pairs
from albert_tf.pretraining.records.sentence_pairs import document_pairs, random_next_pairs

DOCUMENTS = [[4, 9, 2], [1], [], [7], [30, 6]]
OFFSETS = [0, 15, 16, 16, 23]


def pairs(seed=3, **settings):
    settings = BuildSettings(max_seq_length=19, dupe_factor=1, **settings)
    return block_pairs(DOCUMENTS, settings, np.random.default_rng(seed)).tolist()


@pytest.mark.parametrize("single", ["drop", "split"])
def test_pairs_come_from_each_document_in_turn(single):
    rng = np.random.default_rng(3)
    expected = []
    for document, offset in zip(DOCUMENTS, OFFSETS):
        if sum(document) > 1:
            for *places, label in document_pairs(document, 16, rng, 0.1, single == "split"):
                expected.append([*(offset + place for place in places), label])
    assert pairs(single_sentence=single) == expected
    assert (16 in [min(row[0], row[2]) for row in expected]) == (single == "split")


def test_without_sentence_order_runs_of_tokens_cover_every_document():
    # 17 tokens fit next to [CLS] and one [SEP].
    spans = [(0, 15), (16, 23), (23, 40), (40, 57), (57, 59)]
    expected = [[begin, end, end, end, 0] for begin, end in spans]
    assert pairs(sentence_order=False, short_seq_prob=0.0) == expected
    lengths = [end - begin for begin, end, *_ in pairs(sentence_order=False, short_seq_prob=1.0)]
    assert sum(lengths) == 58 and max(lengths) < 17


def test_random_next_sentence_makes_random_next_pairs():
    expected = random_next_pairs(DOCUMENTS, 16, np.random.default_rng(3), 0.1)
    assert pairs(random_next_sentence=True) == [list(pair) for pair in expected]


def test_a_block_without_pairs_gives_no_rows():
    settings = BuildSettings(max_seq_length=19)
    assert block_pairs([[5]], settings, np.random.default_rng(0)).shape == (0, 5)
