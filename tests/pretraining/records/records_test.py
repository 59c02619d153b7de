import numpy as np
import pytest
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.pretraining.records.examples import DYNAMIC, serialize
from albert_tf.pretraining.records.record_files import naming_broken
from albert_tf.pretraining.records.records import count, describe, read_arrays
from albert_tf.pretraining.records.statistics_report import report
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support import small_records
from tests.support.paths import TESTDATA
from tests.support.small_records import write

ORIGINAL = TESTDATA / "pretraining_data" / "original_first_101.tfrecord"


@pytest.fixture(scope="module")
def tokenizer():
    return AlbertTokenizer(TESTDATA / "tokenization" / "spm.model")


def test_counts_records_of_the_original(tokenizer):
    counts = count([ORIGINAL, ORIGINAL], tokenizer)
    (arrays,) = read_arrays(ORIGINAL, 1000)
    assert counts["instances"] == 202
    assert counts["tokens"] == 2 * arrays["input_mask"].sum()
    assert counts["masked"] == 2 * arrays["masked_lm_weights"].sum()
    assert counts["label/1"] == 2 * arrays["next_sentence_labels"].sum()
    assert sum(n for name, n in counts.items() if name.startswith("length/")) == 202
    masked = [counts[f"masked/{name}"] for name in ("[MASK]", "random", "kept")]
    assert sum(masked) == counts["masked"]
    text = report(counts)
    assert "instances               202" in text
    assert "expected 80 %" in text


def test_dynamic_records_get_masks_and_token_boundaries(golden_builds, tokenizer):
    """Compares dynamic records with the static records of the same instances."""
    counts, static = (
        count(sorted(golden_builds[kind].glob("*.tfrecord")), tokenizer)
        for kind in ("dynamic", "original")
    )
    for name in ("instances", "tokens", "label/1", "length/57-64"):
        assert counts[name] == static[name]
    for name, error in (("masked", 0.003), ("unknown", 0.2), ("boundaries", 0.015)):
        assert counts[name] == pytest.approx(static[name], rel=error)
    assert counts["masked/[MASK]"] / counts["masked"] == pytest.approx(0.8, abs=0.01)
    path = sorted(golden_builds["dynamic"].glob("*.tfrecord"))[0]
    (arrays,) = read_arrays(path, 1000)
    (expected,) = read_arrays(golden_builds["original"] / path.name, 1000)
    added = arrays["token_boundary"] - expected["token_boundary"]
    # A segment that starts within a word also begins a unit.
    after_special = np.pad(np.isin(arrays["input_ids"][:, :-1], [2, 3]), ((0, 0), (1, 0)))
    assert (added >= 0).all() and (after_special | (added == 0)).all()
    assert describe(arrays, 0, tokenizer).count("->") == arrays["masked_lm_weights"][0].sum()


def test_without_a_manifest_the_longest_record_sets_the_width(golden_builds, tmp_path, tokenizer):
    path = sorted(golden_builds["dynamic"].glob("*.tfrecord"))[1]
    (tmp_path / path.name).write_bytes(path.read_bytes())
    (moved,), (arrays,) = read_arrays(tmp_path / path.name, 1000), read_arrays(path, 1000)
    for name, values in arrays.items():
        np.testing.assert_array_equal(moved[name], values, err_msg=name)


def test_model_garden_records_give_the_same_arrays(golden_builds):
    path = sorted(golden_builds["original"].glob("*.tfrecord"))[0]
    (arrays,) = read_arrays(path, 1000)
    (renamed,) = read_arrays(golden_builds["model_garden"] / path.name, 1000)
    assert set(renamed) == set(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(renamed[name], values, err_msg=name)


def test_describe_shows_pieces_predictions_and_label(tokenizer):
    arrays = {
        "input_ids": [2, 100, 4, 3, 200, 5, 3, 0],
        "input_mask": [1, 1, 1, 1, 1, 1, 1, 0],
        "segment_ids": [0, 0, 0, 0, 1, 1, 1, 0],
        "token_boundary": [1, 1, 0, 1, 0, 1, 1, 0],
        "masked_lm_positions": [2, 4, 0],
        "masked_lm_ids": [101, 200, 0],
        "masked_lm_weights": [1, 1, 0],
        "next_sentence_labels": [1],
    }
    arrays = {name: np.array([values]) for name, values in arrays.items()}
    p = tokenizer.pieces
    boundary = "" if p[100].startswith("▁") else "|"
    assert describe(arrays, 0, tokenizer) == (
        f"A: [CLS] {boundary}{p[100]} [[MASK] -> {p[101]}] [SEP]\n"
        f"B: [{p[200]} -> {p[200]}] |( [SEP]\n"
        "label 1, swapped; 7 tokens of 8; 2 predictions"
    )
    alone = {**arrays, "segment_ids": np.zeros([1, 8], int)}
    del alone["next_sentence_labels"]
    first, last = describe(alone, 0, tokenizer).splitlines()
    assert first.startswith("A: [CLS]") and first.count("[SEP]") == 2
    assert last == "label none; 7 tokens of 8; 2 predictions"


def test_ids_outside_the_vocabulary_are_an_error(tokenizer):
    (arrays,) = read_arrays(ORIGINAL, 1000)
    arrays["input_ids"] = arrays["input_ids"].copy()
    arrays["input_ids"][5, 6] = 1000
    with pytest.raises(InputError, match=r"ids below 1000.*Received the id 1000.*manifest\.json"):
        describe(arrays, 5, tokenizer)


def test_a_record_unlike_the_first_is_an_error(tmp_path):
    write(tmp_path / "a.tfrecord", 0, 5)
    write(tmp_path / "b.tfrecord", 0, 1, S=8)
    with open(tmp_path / "a.tfrecord", "ab") as file:
        file.write((tmp_path / "b.tfrecord").read_bytes())
    message = r"must have the same features. Received '.*a\.tf.* records 4 to 7, c"
    with pytest.raises(InputError, match=message):
        list(read_arrays(tmp_path / "a.tfrecord", 1000, batch_size=4))


def test_a_truncated_file_is_an_error(tmp_path):
    path = tmp_path / "cut.tfrecord"
    path.write_bytes(ORIGINAL.read_bytes()[:-20])
    with pytest.raises(
        InputError, match=r"must be complete.*cut\.tfrecord', whose record 100, counted.*54749"
    ):
        list(read_arrays(path, 1000))


@pytest.mark.parametrize(
    ("segments", "units"),
    [
        ([13, 1], [1, 1]),
        ([4, 2], [1, 1]),
        ([-3, 8], [1, 1]),
        ([0, 5], [1, 1]),
        ([4, 1], [3, 1]),
        ([4, 1], [5, -3]),
        ([4, 1], [2**31 - 1, 2]),
        ([2**31 - 1, 2**31 - 1], [1, 1]),
    ],
)
def test_lengths_that_do_not_fit_a_record_are_an_error(segments, units, tmp_path):
    path, count = tmp_path / "a.tfrecord", 3
    lengths = dict(input_ids=[1] * 5, segment_lengths=segments, unit_lengths=units)
    arrays = {f.name: np.ones([count, 1], f.dtype) for f in DYNAMIC}
    arrays |= {name: np.array([row] * count) for name, row in lengths.items()}
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in serialize(DYNAMIC, arrays):
            writer.write(record)
    with pytest.raises(InputError, match=r"same features. Received '.*one of the records 0 to 7"):
        list(read_arrays(path, 40, batch_size=8))
    message = r"Every record must fit the model.*must have the lengths of its segments and units"
    with pytest.raises(InputError, match=message), naming_broken([str(path)]):
        list(small_records.read(path))
