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


THIRD = [[], [31, 32, 33, 34], [35], [36, 37]]


@pytest.mark.parametrize("truncation", packing.GRAPH_TRUNCATIONS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_packing_equals_python(count, truncation):
    segments = [FIRST, SECOND, THIRD][:count]
    ragged = [tf.ragged.constant(s, dtype=tf.int32) for s in segments]
    pack = tf.function(graph_packing.pack, reduce_retracing=True)
    for seq_length in range(count + 1, 16):
        got = pack(ragged, tf.constant(seq_length), SPECIAL, tf.constant(truncation))
        expected = packing.pack(
            segments, SPECIAL, packing.Packing(seq_length, truncation, "max_length")
        )
        assert got.keys() == expected.keys()
        for name, values in expected.items():
            assert got[name].dtype == tf.int32
            np.testing.assert_array_equal(got[name], values, name)


@pytest.mark.parametrize("seed", range(4))
def test_kept_tokens_are_those_of_python_for_random_lengths(seed):
    lengths = np.random.default_rng(seed).integers(0, 9, [50, 2 + seed], dtype=np.int32)
    budget = 5 * seed + 3
    for truncation in packing.GRAPH_TRUNCATIONS:
        got = graph_packing._kept(tf.constant(lengths), tf.constant(budget), truncation)
        rows = [packing.truncate([[0] * n for n in row], budget, truncation) for row in lengths]
        np.testing.assert_array_equal(got, [[len(part) for part in row] for row in rows])


def test_a_single_text_has_no_batch_axis():
    got = graph_packing.pack([tf.constant([5, 6]), tf.constant([7])], 6, SPECIAL)
    np.testing.assert_array_equal(got["input_word_ids"], [2, 5, 6, 3, 7, 3])
    np.testing.assert_array_equal(got["input_type_ids"], [0, 0, 0, 0, 1, 1])


def test_words_are_flattened():
    words = tf.ragged.constant([[[5, 6], [7]], [[8]], []], dtype=tf.int32, ragged_rank=2)
    got = graph_packing.pack(words, 6, SPECIAL)
    expected = [[2, 5, 6, 7, 3, 0], [2, 8, 3, 0, 0, 0], [2, 3, 0, 0, 0, 0]]
    np.testing.assert_array_equal(got["input_word_ids"], expected)


def test_no_segment_and_an_unknown_policy_are_errors():
    rows = tf.ragged.constant([[5]], dtype=tf.int32)
    with pytest.raises(InputError, match="one or more segments. Received an empty list"):
        graph_packing.pack([], 9, SPECIAL)
    with pytest.raises(tf.errors.InvalidArgumentError, match="round_robin, waterfall.*only_first"):
        tf.function(graph_packing.pack)([rows, rows], 9, SPECIAL, tf.constant("only_first"))


def test_a_length_without_room_for_special_tokens_is_an_error():
    rows = tf.ragged.constant([[5]], dtype=tf.int32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="room for its 3 special tokens"):
        tf.function(graph_packing.pack)([rows, rows], tf.constant(2), SPECIAL)
