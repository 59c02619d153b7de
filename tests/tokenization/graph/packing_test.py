import numpy as np
import pytest
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.tokenization import packing
from albert_tf.tokenization.graph import packing as graph_packing
from albert_tf.tokenization.special_ids import SpecialIds

SPECIAL = SpecialIds(pad=0, unk=1, cls=2, sep=3, mask=4)
FIRST = [[5, 6, 7, 8, 9], [], [10], [11, 12]]
SECOND = [[21, 22, 23], [24], [], [25, 26, 27, 28, 29, 30]]


@pytest.mark.parametrize("seq_length", [3, 4, 7, 8, 13])
@pytest.mark.parametrize("second", [None, SECOND])
def test_packing_equals_python(seq_length, second):
    segments = [tf.ragged.constant(s, dtype=tf.int32) for s in (FIRST, second) if s]
    got = tf.function(graph_packing.pack)(segments, tf.constant(seq_length), SPECIAL)
    expected = packing.pack(FIRST, second, SPECIAL, seq_length, pad_to_seq_length=True)
    assert got.keys() == expected.keys()
    for name, values in expected.items():
        assert got[name].dtype == tf.int32
        np.testing.assert_array_equal(got[name], values, name)


def test_words_are_flattened():
    words = tf.ragged.constant([[[5, 6], [7]], [[8]], []], dtype=tf.int32, ragged_rank=2)
    got = graph_packing.pack(words, 6, SPECIAL)
    expected = [[2, 5, 6, 7, 3, 0], [2, 8, 3, 0, 0, 0], [2, 3, 0, 0, 0, 0]]
    np.testing.assert_array_equal(got["input_word_ids"], expected)


def test_three_segments_are_an_error():
    rows = tf.ragged.constant([[5]], dtype=tf.int32)
    with pytest.raises(InputError, match="one or two segments. Received 3"):
        graph_packing.pack([rows] * 3, 9, SPECIAL)


def test_a_length_without_room_for_special_tokens_is_an_error():
    rows = tf.ragged.constant([[5]], dtype=tf.int32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="room for its 3 special tokens"):
        tf.function(graph_packing.pack)([rows, rows], tf.constant(2), SPECIAL)
