import itertools

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.tasks import batching
from albert_tf.tasks.encoded_examples import EncodedExamples

RNG = np.random.default_rng(4)
LENGTHS = RNG.integers(3, 60, 1003)


def examples(count=23):
    return EncodedExamples([[2, *range(5, 5 + n), 3] for n in LENGTHS[:count] % 20])


def test_an_epoch_has_every_example_and_repeats_few():
    batches = batching.epoch(LENGTHS, 8, seed=1, number=0)
    assert batches.shape == (126, 8)
    counts = np.bincount(batches.ravel(), minlength=1003)
    assert counts.min() == 1 and counts.sum() == 1008


def test_batches_have_rows_of_similar_length():
    def padding(batches):
        rows = LENGTHS[batches]
        return 1 - rows.sum() / (rows.max(axis=1) * rows.shape[1]).sum()

    bucketed, plain = (batching.epoch(LENGTHS, 8, 1, 0, bucketed) for bucketed in (True, False))
    assert padding(bucketed) < 0.05 < 0.3 < padding(plain)
    # The order of batches is random: long batches are not last.
    assert abs(np.corrcoef(LENGTHS[bucketed].mean(axis=1), np.arange(126))[0, 1]) < 0.3


def test_an_epoch_depends_on_seed_and_number_only():
    first = batching.epoch(LENGTHS, 8, seed=1, number=0)
    np.testing.assert_array_equal(first, batching.epoch(LENGTHS, 8, seed=1, number=0))
    assert (first != batching.epoch(LENGTHS, 8, seed=1, number=1)).any()
    assert (first != batching.epoch(LENGTHS, 8, seed=2, number=0)).any()


@pytest.mark.parametrize("start", [0, 5, 126, 300])
def test_starting_at_a_later_step_gives_the_same_batches(start):
    whole = itertools.islice(batching.training_batches(LENGTHS, 8, 3), start, start + 4)
    late = batching.training_batches(LENGTHS, 8, 3, start_step=start)
    for expected, batch in zip(whole, late):
        np.testing.assert_array_equal(batch, expected)


def test_every_replica_has_a_batch_at_each_evaluation_step():
    lengths = np.array([4, 9, 5, 7, 6])
    batches = [batch.tolist() for batch in batching.evaluation_batches(lengths, 2, replicas=2)]
    assert batches == [[1, 3], [4, 2], [0], [0]]
    assert len(list(batching.evaluation_batches(lengths, 2, replicas=3))) == 3


def test_evaluation_uses_each_example_once_longest_first():
    data = batching.dataset(examples(), global_batch_size=4, is_training=False)
    batches = list(data.as_numpy_iterator())
    assert sorted(np.concatenate([b["example"] for b in batches])) == list(range(23))
    widths = [b["input_word_ids"].shape[1] for b in batches]
    assert widths == sorted(widths, reverse=True) and len(batches) == 6


def test_a_batch_is_split_over_replicas_and_pipelines():
    def batches(replicas, pipelines, index):
        context = tf.distribute.InputContext(pipelines, index, replicas)
        data = batching.dataset(
            examples(), global_batch_size=8, is_training=True, seed=5, input_context=context
        )
        return [b["example"] for b in data.take(6).as_numpy_iterator()]

    one = batches(1, 1, 0)
    two = batches(2, 1, 0)
    for step in range(3):
        both = np.concatenate(two[2 * step : 2 * step + 2])
        np.testing.assert_array_equal(both, one[step])
    for index in range(2):  # four replicas on two machines
        parts = batches(4, 2, index)
        here = np.concatenate(parts[:2])
        np.testing.assert_array_equal(here, one[0][4 * index : 4 * index + 4])


def test_a_fixed_width_is_used_and_an_uneven_batch_is_an_error():
    data = batching.dataset(examples(), global_batch_size=6, is_training=True, width=30)
    assert data.element_spec["input_word_ids"].shape == (6, 30)
    assert next(iter(data))["input_mask"].shape == (6, 30)
    with pytest.raises(InputError, match="global_batch_size=6 for 4 replicas"):
        context = tf.distribute.InputContext(1, 0, 4)
        batching.dataset(examples(), global_batch_size=6, is_training=True, input_context=context)
