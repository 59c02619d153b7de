import json

import pytest

from albert_tf.errors import InputError
from albert_tf.pretraining.masking.masking import Masking
from albert_tf.pretraining.records.examples import DYNAMIC, STATIC
from tests.support.small_records import read, write, write_parts


def check(tmp_path, message, **changes):
    """Checks that reading all files of the folder raises an error."""
    with pytest.raises(InputError, match=message):
        read(tmp_path / "*.tfrecord", **changes)


def test_records_of_another_length_are_refused(tmp_path):
    write_parts(tmp_path)
    message = r"'input_ids' must have the length 9 \(max_seq_length\). Received 7.*=7"
    check(tmp_path, message, max_seq_length=9)
    message = r"'masked_lm_positions' must .* 4 \(max_predictions_per_seq\). Received 3"
    check(tmp_path, message, masking=Masking(max_predictions=4))


def test_the_first_record_of_every_file_is_checked(tmp_path):
    write_parts(tmp_path)
    table = [f for f in STATIC if f.name != "masked_lm_weights"]
    write(tmp_path / "part-9.tfrecord", 0, 2, table)
    check(tmp_path, r"must have the feature 'masked_lm_weights'. Received 'part-9\.tfrecord'")


def test_dynamic_records_that_are_too_long_are_refused(tmp_path):
    write(tmp_path / "a.tfrecord", 0, 2, DYNAMIC, L=8)
    check(tmp_path, r"at most 7 tokens \(max_seq_length\). Received 8 in '.*a\.tfrecord'")


def test_dynamic_records_built_for_another_length_are_refused(tmp_path):
    write(tmp_path / "a.tfrecord", 0, 2, DYNAMIC)
    (tmp_path / "manifest.json").write_text(json.dumps({"settings": {"max_seq_length": 6}}))
    check(tmp_path, r"built for max_seq_length=7. Received '.*', built for 6. Set .*=6")


def test_mixed_kinds_are_refused(tmp_path):
    write(tmp_path / "a.tfrecord", 0, 2)
    write(tmp_path / "b.tfrecord", 0, 2, DYNAMIC)
    names = r"static records, the original's names \('a\.tf.*\) and dynamic records \('b\.tfrecord"
    check(tmp_path, f"must be of the same kind. Received {names}.*Pass files of one kind")
    (tmp_path / "b.tfrecord").unlink()
    write(tmp_path / "c.tfrecord", 0, 2, STATIC[:-1])
    check(tmp_path, r"static records, the original's names, without sentence order \('c\.tfrecord")


def test_mask_settings_for_static_records_are_refused(tmp_path):
    write_parts(tmp_path)
    masking = Masking(max_predictions=3, favor_longer=True)
    message = r"drawn when the records are built. Received Masking\(.*favor_longer=True.*record_f"
    check(tmp_path, message, masking=masking)


def test_missing_empty_and_foreign_files_are_refused(tmp_path):
    check(tmp_path, "must match at least one file")
    (tmp_path / "empty.tfrecord").write_bytes(b"")
    check(tmp_path, r"must contain records. Received 1 files without records.*empty")
    (tmp_path / "text.tfrecord").write_text("This is text and not a record file at all.")
    check(tmp_path, r"must contain tf\.train\.Example records.*text\.tfrecord")


@pytest.mark.parametrize("length", [0, -5, 2**31, 10**400, True, 7.0])
def test_a_manifest_with_an_impossible_length_is_refused(length, tmp_path):
    write(tmp_path / "a.tfrecord", 0, 2, DYNAMIC)
    manifest = {"settings": {"max_seq_length": length}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    check(tmp_path, r"A manifest must be as .*Received '.*' with .* for 'settings'. Restore")
