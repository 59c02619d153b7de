import numpy as np
import pytest
import tensorflow as tf

from albert_tf.tokenization import windows as in_python
from albert_tf.tokenization.graph import windows

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize(("seq_length", "stride"), [(9, 1), (9, 4), (10, 5), (17, 16)])
def test_the_graph_cuts_the_same_windows(pairs, seq_length, stride):
    lengths = [[0, 0], [1, 0], [0, 1], [5, 4], [4, 4], *RNG.integers(0, 40, [30, 2])]
    texts = [[RNG.integers(5, 99, n).tolist() for n in row[: 1 + pairs]] for row in lengths]
    budget = seq_length - (3 if pairs else 2)
    expected = [list(in_python.of_segments(text, budget, stride)) for text in texts]
    segments = [tf.ragged.constant([t[i] for t in texts], tf.int32) for i in range(1 + pairs)]
    plan = windows.plan(segments, seq_length, stride)
    rows, text = windows.cut(segments, plan, stride)
    np.testing.assert_array_equal(plan.counts, [len(parts) for parts in expected])
    sizes = [sum(sum(map(len, row)) + seq_length - budget for row in parts) for parts in expected]
    np.testing.assert_array_equal(plan.positions, sizes)
    np.testing.assert_array_equal(text, np.repeat(np.arange(len(texts)), plan.counts))
    for index, segment in enumerate(rows):
        assert segment.to_list() == [row[index] for parts in expected for row in parts]


def test_no_texts_have_no_windows():
    empty = tf.RaggedTensor.from_row_splits(tf.zeros([0], tf.int32), tf.zeros([1], tf.int64))
    rows, text = windows.cut([empty], windows.plan([empty], 9, 4), 4)
    assert rows[0].to_list() == [] and text.shape == [0]
