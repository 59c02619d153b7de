import numpy as np

from albert_tf.pretraining.records.packing import pack
from albert_tf.pretraining.records.sentence_pairs import Pair


def test_pack_two_segments():
    tokens = np.arange(50, 70, dtype=np.int32)
    pairs = np.array([Pair(0, 3, 3, 5, 0), Pair(9, 10, 4, 9, 1)])
    packed = pack(tokens, pairs, max_seq_length=9, cls_id=2, sep_id=3, pad_id=0)
    assert packed.input_ids.tolist() == [
        [2, 50, 51, 52, 3, 53, 54, 3, 0],
        [2, 59, 3, 54, 55, 56, 57, 58, 3],
    ]
    assert packed.input_mask.astype(int).tolist() == [[1] * 8 + [0], [1] * 9]
    assert packed.segment_ids.tolist() == [
        [0, 0, 0, 0, 0, 1, 1, 1, 0],
        [0, 0, 0, 1, 1, 1, 1, 1, 1],
    ]
    assert packed.maskable.astype(int).tolist() == [
        [0, 1, 1, 1, 0, 1, 1, 0, 0],
        [0, 1, 0, 1, 1, 1, 1, 1, 0],
    ]
    assert packed.labels.tolist() == [0, 1]
    assert {a.dtype for a in (packed.input_ids, packed.segment_ids, packed.labels)} == {
        np.dtype("int32")
    }


def test_pack_without_pairs():
    packed = pack(np.zeros(1, np.int32), np.empty((0, 5), int), 7, 2, 3, 0)
    assert packed.input_ids.shape == (0, 7)


def test_pack_without_second_segments():
    tokens = np.arange(50, 70, dtype=np.int32)
    packed = pack(tokens, np.array([Pair(4, 7, 7, 7, 0)]), 6, cls_id=2, sep_id=3, pad_id=0)
    assert packed.input_ids.tolist() == [[2, 54, 55, 56, 3, 0]]
    assert packed.input_mask.astype(int).tolist() == [[1, 1, 1, 1, 1, 0]]
    assert packed.maskable.astype(int).tolist() == [[0, 1, 1, 1, 0, 0]]
    assert not packed.segment_ids.any()
