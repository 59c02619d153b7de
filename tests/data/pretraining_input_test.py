import itertools
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.data.examples import serialize
from albert_tf.data.features import STATIC
from albert_tf.data.masking import Masking
from albert_tf.data.pretraining_input import dataset
from albert_tf.errors import InputError

ORIGINAL = Path(__file__).parents[1] / "testdata/pretraining_data/original_first_101.tfrecord"
SIZES = dict(max_seq_length=64, masking=Masking(max_predictions=10), vocab_size=1000)
LENGTHS = {"S": 7, "P": 3, "1": 1}
SMALL = dict(max_seq_length=7, masking=Masking(max_predictions=3), vocab_size=40)


def write(path, first, count, table=STATIC):
    """Writes records whose first token is their number."""
    arrays = {f.name: np.ones((count, LENGTHS[f.axis]), f.dtype) for f in table}
    arrays["input_ids"][:, 0] = np.arange(first, first + count)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in serialize(table, arrays):
            writer.write(record)


@pytest.fixture
def files(tmp_path):
    """31 records in three files."""
    for i, (first, count) in enumerate(((0, 11), (11, 9), (20, 11))):
        write(tmp_path / f"part-{i}.tfrecord", first, count)
    return str(tmp_path / "part-*.tfrecord")


def numbers(batches):
    return [int(n) for batch in batches for n in batch["input_word_ids"][:, 0]]


def test_reads_records_of_the_original_script():
    batches = list(
        dataset(str(ORIGINAL), **SIZES, global_batch_size=20, is_training=False).as_numpy_iterator()
    )
    assert [len(b["input_mask"]) for b in batches] == [20, 20, 20, 20, 20, 1]
    expected = {
        "input_word_ids": ("input_ids", "int32", 64),
        "input_mask": ("input_mask", "int32", 64),
        "input_type_ids": ("segment_ids", "int32", 64),
        "masked_lm_positions": ("masked_lm_positions", "int32", 10),
        "masked_lm_ids": ("masked_lm_ids", "int32", 10),
        "masked_lm_weights": ("masked_lm_weights", "float32", 10),
        "next_sentence_labels": ("next_sentence_labels", "int32", 1),
    }
    assert set(batches[0]) == set(expected)
    examples = [
        tf.train.Example.FromString(r.numpy()).features.feature
        for r in tf.data.TFRecordDataset(str(ORIGINAL))
    ]
    for name, (original, dtype, length) in expected.items():
        got = np.concatenate([b[name] for b in batches])
        assert (got.dtype, got.shape) == (np.dtype(dtype), (101, length))
        kind = "float_list" if dtype == "float32" else "int64_list"
        np.testing.assert_array_equal(got, [getattr(e[original], kind).value for e in examples])


def test_evaluation_is_one_pass_in_order(files):
    batches = dataset(files, **SMALL, global_batch_size=4, is_training=False)
    assert numbers(batches) == list(range(31))
    batches = dataset(files, **SMALL, global_batch_size=4, is_training=False, drop_remainder=True)
    assert numbers(batches) == list(range(28))
    assert batches.element_spec["input_mask"].shape == (4, 7)


def test_training_shuffles_repeats_and_follows_the_seed(files):
    def epochs(seed):
        return numbers(
            dataset(files, **SMALL, global_batch_size=31, is_training=True, seed=seed).take(2)
        )

    one = epochs(1)
    assert sorted(one[:31]) == sorted(one[31:]) == list(range(31))
    assert one[:31] != one[31:] != list(range(31))
    assert one == epochs(1)
    assert one != epochs(2)


@pytest.mark.parametrize("pipelines, replicas", [(1, 2), (2, 1), (5, 1)])  # there are 3 files
def test_training_goes_on_at_any_step(files, pipelines, replicas):
    """Steps 0 to 29 pass several epochs of each part; a step takes a batch for each replica."""

    def parts(start_step, steps):
        found = []
        for index in range(pipelines):
            batches = dataset(
                files,
                **SMALL,
                global_batch_size=2 * pipelines * replicas,
                is_training=True,
                seed=3,
                start_step=start_step,
                shuffle_buffer=5,
                input_context=tf.distribute.InputContext(pipelines, index, pipelines * replicas),
            )
            found.append(numbers(batches.take(steps * replicas)))
        return found

    undisturbed = parts(0, 30)
    assert not any(set(a) & set(b) for a, b in itertools.combinations(undisturbed, 2))
    for start in (1, 23):
        expected = [part[2 * replicas * start :] for part in undisturbed]
        assert parts(start, 30 - start) == expected


@pytest.mark.parametrize("pipelines", [2, 5])  # fewer and more than files
def test_pipelines_share_the_records(files, pipelines):
    seen = []
    for index in range(pipelines):
        context = tf.distribute.InputContext(pipelines, index, num_replicas_in_sync=pipelines)
        batches = dataset(
            files,
            **SMALL,
            global_batch_size=2 * pipelines,
            is_training=False,
            input_context=context,
        )
        assert next(iter(batches))["input_mask"].shape == (2, 7)
        part = numbers(batches)
        assert 0 < len(part) < 31
        seen += part
    assert sorted(seen) == list(range(31))


def read(files, **sizes):
    return dataset(str(files), **{**SMALL, **sizes}, global_batch_size=2, is_training=False)


def test_wrong_lengths(files):
    with pytest.raises(
        InputError, match=r"'input_ids' must have the length 9 \(max_seq_length\). Received 7.*=7"
    ):
        read(files, max_seq_length=9)
    with pytest.raises(
        InputError, match=r"'masked_lm_positions' must .* 4 \(max_predictions_per_seq\). Received 3"
    ):
        read(files, masking=Masking(max_predictions=4))


def test_the_first_record_of_every_file_is_checked(files, tmp_path):
    table = [f for f in STATIC if f.name != "masked_lm_weights"]
    write(tmp_path / "part-9.tfrecord", 0, 2, table)
    with pytest.raises(
        InputError, match=r"must have the feature 'masked_lm_weights'. Received 'part-9\.tfrecord'"
    ):
        read(files)


def test_no_files_no_records_no_record_file(tmp_path):
    with pytest.raises(InputError, match="must match at least one file"):
        read(tmp_path / "*.tfrecord")
    (tmp_path / "empty.tfrecord").write_bytes(b"")
    with pytest.raises(InputError, match=r"must hold records. Received 1 empty files.*empty"):
        read(tmp_path / "*.tfrecord")
    (tmp_path / "text.tfrecord").write_text("This is text and not a record file at all.")
    with pytest.raises(InputError, match=r"must hold tf\.train\.Example records.*text\.tfrecord"):
        read(tmp_path / "*.tfrecord")


def test_a_shard_without_records_is_no_error(files, tmp_path):
    (tmp_path / "part-9.tfrecord").write_bytes(b"")
    assert numbers(read(files)) == list(range(31))
