import pytest
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.pretraining.records.examples import DYNAMIC
from albert_tf.pretraining.records.record_files import naming_broken
from albert_tf.pretraining.records.record_kinds import CHECKED
from tests.support.small_records import numbers, read, write


def test_dynamic_records_are_padded_and_have_no_label_without_sentence_order(tmp_path):
    write(tmp_path / "a.tfrecord", 8, 2, DYNAMIC[:-1])
    (batch,) = read(tmp_path / "a.tfrecord").as_numpy_iterator()
    assert numbers([batch]) == [8, 9]
    assert batch["input_word_ids"][:, 5:].tolist() == [[0, 0]] * 2
    assert batch["input_mask"].tolist() == [[1, 1, 1, 1, 1, 0, 0]] * 2
    assert batch["input_type_ids"].tolist() == [[0, 0, 0, 0, 1, 0, 0]] * 2
    assert "next_sentence_labels" not in batch


def test_a_later_record_that_is_too_long_is_an_error(tmp_path):
    write(tmp_path / "long.tfrecord", 0, 1, DYNAMIC, L=9)
    write(tmp_path / "a.tfrecord", 0, CHECKED, DYNAMIC)
    with open(tmp_path / "a.tfrecord", "ab") as file:
        file.write((tmp_path / "long.tfrecord").read_bytes())
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"at most max_seq_length.*7.*9"):
        list(read(tmp_path / "a.tfrecord"))
    message = f"fit the model.*'{tmp_path}/a.tfrecord'.*: A record must have at most .*7.*9"
    with pytest.raises(InputError, match=message), naming_broken([str(tmp_path / "a.tfrecord")]):
        list(read(tmp_path / "a.tfrecord"))
    write(tmp_path / "b.tfrecord", 0, CHECKED)
    with open(tmp_path / "b.tfrecord", "ab") as file:
        write(tmp_path / "other.tfrecord", 0, 1, S=8)
        file.write((tmp_path / "other.tfrecord").read_bytes())
    message = f"fit the model.*'{tmp_path}/b.tfrecord'.*: Key: .*8"
    with pytest.raises(InputError, match=message), naming_broken([str(tmp_path / "b.tfrecord")]):
        list(read(tmp_path / "b.tfrecord"))
