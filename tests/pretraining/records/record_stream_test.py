import itertools

import pytest
import tensorflow as tf

from albert_tf.errors import InputError
from tests.support.small_records import numbers, read, write, write_parts


@pytest.fixture
def files(tmp_path):
    return write_parts(tmp_path)


def test_training_shuffles_and_repeats_depending_on_the_seed(files):
    def epochs(seed):
        return numbers(read(files, global_batch_size=31, is_training=True, seed=seed).take(2))

    one = epochs(1)
    assert sorted(one[:31]) == sorted(one[31:]) == list(range(31))
    assert one[:31] != one[31:] != list(range(31))
    assert one == epochs(1)
    assert one != epochs(2)
    assert epochs(None) != epochs(None)


@pytest.mark.parametrize("pipelines, replicas", [(1, 2), (2, 1), (4, 1)])  # There are 3 files.
def test_training_can_resume_at_any_step(files, pipelines, replicas):
    """Steps 0 to 29 span several epochs of each part; a step takes one batch per replica."""

    def parts(start_step, steps):
        instances = []
        for index in range(pipelines):
            batches = read(
                files,
                global_batch_size=2 * pipelines * replicas,
                is_training=True,
                seed=3,
                start_step=start_step,
                shuffle_buffer=5,
                input_context=tf.distribute.InputContext(pipelines, index, pipelines * replicas),
            )
            instances.append(numbers(batches.take(steps * replicas)))
        return instances

    undisturbed = parts(0, 30)
    assert not any(set(a) & set(b) for a, b in itertools.combinations(undisturbed, 2))
    assert parts(23, 7) == [part[2 * replicas * 23 :] for part in undisturbed]


@pytest.mark.parametrize("pipelines", [2, 5])  # Fewer and more than there are files.
def test_pipelines_share_the_records(files, pipelines):
    seen = []
    for index in range(pipelines):
        context = tf.distribute.InputContext(pipelines, index, num_replicas_in_sync=pipelines)
        batches = read(
            files,
            global_batch_size=2 * pipelines,
            input_context=context,
        )
        assert next(iter(batches))["input_mask"].shape == (2, 7)
        part = numbers(batches)
        assert 0 < len(part) < 31
        seen += part
    assert sorted(seen) == list(range(31))


def test_a_pipeline_without_a_record_is_an_error_in_training(tmp_path):
    write(tmp_path / "a.tfrecord", 0, 2)
    context = tf.distribute.InputContext(3, 2, num_replicas_in_sync=3)
    settings = dict(global_batch_size=3, input_context=context)
    assert not list(read(tmp_path / "a.tfrecord", **settings))
    with pytest.raises(InputError, match="Received 1 record files for 3 .* pipeline 2. Use more"):
        read(tmp_path / "a.tfrecord", **settings, is_training=True)
