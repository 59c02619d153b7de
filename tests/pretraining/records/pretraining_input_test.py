import json

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.pretraining.masking.masking import Masking
from albert_tf.pretraining.records.pretraining_input import dataset
from tests.support.paths import TESTDATA
from tests.support.small_records import numbers, read, write_parts

RECORDS = TESTDATA / "pretraining_data"
ORIGINAL = RECORDS / "original_first_101.tfrecord"
STATISTICS = json.loads((RECORDS / "original_stats.json").read_text())
GOLDEN = dict(max_seq_length=64, masking=Masking(max_predictions=10), vocab_size=1000)
FEATURES = {
    "input_word_ids": ("input_ids", "int32", 64),
    "input_mask": ("input_mask", "int32", 64),
    "input_type_ids": ("segment_ids", "int32", 64),
    "masked_lm_positions": ("masked_lm_positions", "int32", 10),
    "masked_lm_ids": ("masked_lm_ids", "int32", 10),
    "masked_lm_weights": ("masked_lm_weights", "float32", 10),
    "next_sentence_labels": ("next_sentence_labels", "int32", 1),
}


@pytest.fixture
def files(tmp_path):
    return write_parts(tmp_path)


@pytest.fixture(scope="module")
def evaluated(golden_builds):
    """The instances of the dynamic golden build, as read for evaluation."""
    return in_order(golden_builds["dynamic"])


def in_order(folder, files="*.tfrecord", prefix=""):
    """Returns the instances of a golden build as arrays."""
    return joined(
        dataset(f"{prefix}{folder / files}", **GOLDEN, global_batch_size=97, is_training=False)
    )


def joined(batches):
    batches = list(batches.as_numpy_iterator())
    return {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}


def restored(arrays):
    """Returns the ids before masking."""
    ids, used = arrays["input_word_ids"].copy(), arrays["masked_lm_weights"] > 0
    rows, _ = np.nonzero(used)
    ids[rows, arrays["masked_lm_positions"][used]] = arrays["masked_lm_ids"][used]
    return ids


def assert_equal(one, two):
    assert set(one) == set(two)
    for name, values in one.items():
        np.testing.assert_array_equal(values, two[name], err_msg=name)


def test_reads_records_of_the_original_script():
    batches = list(
        dataset(
            str(ORIGINAL), **GOLDEN, global_batch_size=20, is_training=False
        ).as_numpy_iterator()
    )
    assert [len(b["input_mask"]) for b in batches] == [20, 20, 20, 20, 20, 1]
    assert set(batches[0]) == set(FEATURES)
    examples = [
        tf.train.Example.FromString(r.numpy()).features.feature
        for r in tf.data.TFRecordDataset(str(ORIGINAL))
    ]
    for name, (original, dtype, length) in FEATURES.items():
        got = np.concatenate([b[name] for b in batches])
        assert (got.dtype, got.shape) == (np.dtype(dtype), (101, length))
        kind = "float_list" if dtype == "float32" else "int64_list"
        np.testing.assert_array_equal(got, [getattr(e[original], kind).value for e in examples])


def test_model_garden_records_are_read_the_same_by_both_readers(golden_builds):
    from official.nlp.data import pretrain_dataloader

    # A single file, because Model Garden's reader mixes files.
    folders = [golden_builds[kind] for kind in ("model_garden", "original")]
    ours, original = (in_order(folder, files="*-00000-*") for folder in folders)
    assert_equal(ours, original)
    config = pretrain_dataloader.BertPretrainDataConfig(
        input_path=str(folders[0] / "*-00000-*"),
        seq_length=64,
        max_predictions_per_seq=10,
        global_batch_size=97,
        is_training=False,
        drop_remainder=False,
        use_v2_feature_names=True,
    )
    assert_equal(ours, joined(pretrain_dataloader.BertPretrainDataLoader(config).load()))


class TestDynamicRecords:
    def test_instances_equal_static_records_except_for_masks(self, golden_builds, evaluated):
        dynamic, static = evaluated, in_order(golden_builds["original"])
        for name, (_, dtype, length) in FEATURES.items():
            assert (dynamic[name].dtype, dynamic[name].shape[1]) == (np.dtype(dtype), length)
        np.testing.assert_array_equal(restored(dynamic), restored(static))
        for name in ("input_mask", "input_type_ids", "next_sentence_labels"):
            np.testing.assert_array_equal(dynamic[name], static[name], err_msg=name)
        same = (dynamic["masked_lm_positions"] == static["masked_lm_positions"]).all(1)
        assert same.mean() < 0.01

    def test_masks_have_the_statistics_of_the_original(self, evaluated):
        arrays = evaluated
        used = arrays["masked_lm_weights"] > 0
        fraction = used.sum() / arrays["input_mask"].sum()
        assert fraction == pytest.approx(STATISTICS["mean_masked_fraction"], abs=0.0015)
        old = arrays["masked_lm_ids"][used]
        new = np.take_along_axis(arrays["input_word_ids"], arrays["masked_lm_positions"], 1)[used]
        shares = dict(mask=new == 4, kept=new == old, random=(new != 4) & (new != old))
        for name, hits in shares.items():
            aim = STATISTICS["replaced"][name]
            error = np.sqrt(aim * (1 - aim) * (1 / hits.size + 1 / STATISTICS["masked_total"]))
            assert abs(hits.mean() - aim) < 4 * error, name

    def test_masks_differ_in_each_epoch(self, golden_builds, evaluated):
        folder, size = golden_builds["dynamic"], len(evaluated["input_mask"])
        epochs = dataset(
            str(folder / "*.tfrecord"), **GOLDEN, global_batch_size=size, is_training=True, seed=5
        ).take(2)
        one, two = epochs.as_numpy_iterator()
        order = [np.lexsort(restored(epoch).T) for epoch in (one, two)]
        positions = [epoch["masked_lm_positions"][o] for epoch, o in zip((one, two), order)]
        np.testing.assert_array_equal(*(restored(e)[o] for e, o in zip((one, two), order)))
        assert (positions[0] != positions[1]).any(1).mean() > 0.97

    def test_batches_depend_only_on_seed_and_step(self, golden_builds):
        def batches(start_step, steps, seed=3):
            return joined(
                dataset(
                    str(golden_builds["dynamic"] / "*.tfrecord"),
                    **GOLDEN,
                    global_batch_size=301,
                    is_training=True,
                    seed=seed,
                    start_step=start_step,
                ).take(steps)
            )

        whole = batches(0, 10)  # More than one epoch.
        assert_equal({k: v[8 * 301 :] for k, v in whole.items()}, batches(8, 2))
        assert (whole["input_word_ids"] != batches(0, 10, seed=4)["input_word_ids"]).any()

    def test_masks_do_not_depend_on_the_number_of_replicas(self, golden_builds):
        one, two = (
            joined(
                dataset(
                    str(golden_builds["dynamic"] / "*.tfrecord"),
                    **GOLDEN,
                    global_batch_size=30,
                    is_training=True,
                    seed=3,
                    input_context=tf.distribute.InputContext(num_replicas_in_sync=replicas),
                ).take(4 * replicas)
            )
            for replicas in (1, 2)
        )
        assert_equal(one, two)


def test_records_in_a_store_are_read_and_checked(golden_builds, evaluated):
    """Also checks that every evaluation draws the same masks."""
    folder = golden_builds["dynamic"]
    assert_equal(in_order(folder, prefix="file://"), evaluated)
    with pytest.raises(InputError, match="Received 'file://.*', built for 64. Set"):
        read(f"file://{folder}/*.tfrecord", max_seq_length=65)


def test_evaluation_is_one_pass_in_order(files):
    assert numbers(read(files, global_batch_size=4)) == list(range(31))
    batches = read(files, global_batch_size=4, drop_remainder=True)
    assert numbers(batches) == list(range(28))
    assert batches.element_spec["input_mask"].shape == (4, 7)


def test_an_empty_file_is_not_an_error(files, tmp_path):
    (tmp_path / "part-9.tfrecord").write_bytes(b"")
    assert numbers(read(files)) == list(range(31))


def test_masks_of_an_evaluation_do_not_depend_on_the_batch_size(golden_builds, evaluated):
    folder = golden_builds["dynamic"]
    for size in (16, 24, 72, 1000):
        batches = list(
            dataset(
                f"{folder}/*.tfrecord", **GOLDEN, global_batch_size=size, is_training=False
            ).as_numpy_iterator()
        )
        sizes = [len(batch["input_word_ids"]) for batch in batches]
        assert sizes[:-1] == [size] * (len(sizes) - 1) and 0 < sizes[-1] <= size
        found = {name: np.concatenate([batch[name] for batch in batches]) for name in FEATURES}
        assert_equal(found, evaluated)
