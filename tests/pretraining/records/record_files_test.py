import logging
import struct

import pytest
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.pretraining.records.record_files import check_lengths, naming_broken
from albert_tf.pretraining.records.records import read_arrays
from tests.support import small_records
from tests.support.small_records import numbers, read, write_parts


@pytest.fixture
def broken(tmp_path):
    """The small files: the last record of the first and the fifth of the second are damaged."""
    files = write_parts(tmp_path)
    first, second, _ = (tmp_path / f"part-{i}.tfrecord" for i in range(3))
    first.write_bytes(first.read_bytes()[:-3])
    content = bytearray(second.read_bytes())
    content[len(content) // 9 * 4 + 30] ^= 1
    second.write_bytes(content)
    return files


def test_errors_name_the_broken_record(broken, tmp_path):
    paths = sorted(map(str, tmp_path.iterdir()))
    message = r"part-0\.tfrecord', whose record 10, counted from 0, .* at byte \d+.*skip_broken"
    with pytest.raises(InputError, match=message), naming_broken(paths):
        numbers(read(broken))
    (tmp_path / "part-0.tfrecord").unlink()
    with pytest.raises(InputError, match=r"part-1\.tfrecord', whose record 4"):
        read(broken, is_training=True, start_step=1)  # Counts the records first.


def test_broken_records_are_skipped_and_counted_on_request(broken, tmp_path, caplog):
    record = (tmp_path / "part-2.tfrecord").stat().st_size // 11
    with caplog.at_level(logging.WARNING):
        batches = read(broken, skip_broken_records=True)
    assert numbers(batches) == [*range(10), *range(11, 15), *range(20, 31)]
    text = caplog.text
    rest = "is broken; skipping it and the rest of the file"
    assert f"part-0.tfrecord': record 10 {rest}, {record - 3} bytes" in text
    assert f"part-1.tfrecord': record 4 {rest}, {5 * record} bytes" in text
    assert f"Skipped in 2 of 3 record files: {6 * record - 3} bytes" in text
    training = read(broken, skip_broken_records=True, is_training=True, seed=1, start_step=11)
    assert set(numbers(training.take(30))) == set(numbers(batches))


def test_a_file_whose_first_record_is_broken(broken, tmp_path):
    first = tmp_path / "part-0.tfrecord"
    content = bytearray(first.read_bytes())
    content[30] ^= 1
    first.write_bytes(content)
    with pytest.raises(InputError, match=r"must contain tf\.train\.Example records.*part-0"):
        read(broken)
    assert numbers(read(broken, skip_broken_records=True)) == [*range(11, 15), *range(20, 31)]
    with pytest.raises(InputError, match=r"must contain records. Received 1 files without records"):
        read(first, skip_broken_records=True)


def frame(length):
    """The first 12 bytes of a record: its length and the masked CRC-32C of the length."""
    data, crc = struct.pack("<Q", length), 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 * (crc & 1))
    crc ^= 0xFFFFFFFF
    return data + struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def test_the_frame_is_that_of_tensorflow(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "a")) as writer:
        writer.write(b"x" * 300)
    assert (tmp_path / "a").read_bytes()[:12] == frame(300)


@pytest.mark.parametrize("length", [2**35, 2**63, 2**64 - 1, 40])
@pytest.mark.parametrize("before", [0, 7])
def test_a_length_beyond_the_file_is_an_error_and_takes_no_memory(tmp_path, length, before):
    path = tmp_path / "part-0.tfrecord"
    write_parts(tmp_path)
    record = path.stat().st_size // 11
    path.write_bytes(path.read_bytes()[: before * record] + frame(length) + b"xx")
    files = str(tmp_path / "*.tfrecord")
    text = f"whose record {before}, counted from 0, .* at byte {before * record}"
    with pytest.raises(InputError, match=text if before else "must contain tf.train.Example"):
        read(files)
    with pytest.raises(InputError, match=text):
        list(read_arrays(path, 50))
    left = [*range(before), *range(11, 31)]
    assert numbers(read(files, skip_broken_records=True)) == left


def test_lengths_of_an_empty_and_a_short_file(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    check_lengths([str(tmp_path / "empty")])
    (tmp_path / "short").write_bytes(b"abc")
    with pytest.raises(InputError, match="record 0, counted from 0, .* at byte 0"):
        check_lengths([str(tmp_path / "short")])


@pytest.mark.parametrize("raw", [b"\xf0(\x8c", b"\n\xf0 input_ids\x12", b"no example"])
def test_bytes_of_a_record_that_are_not_utf_8_are_one_error(tmp_path, raw):
    """TensorFlow puts them into its message, which Python cannot decode."""
    small_records.write(tmp_path / "a.tfrecord", 0, 1)
    first = next(iter(tf.data.TFRecordDataset(str(tmp_path / "a.tfrecord")))).numpy()
    path = str(tmp_path / "b.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for record in (first, raw):
            writer.write(record)
    message = "must fit the model .* Received records in '.*b.tfrecord' .*Could not parse example"
    with pytest.raises(InputError, match=message), naming_broken([path]):
        list(small_records.read(path))
    with pytest.raises(InputError, match="must have the same features. Received '.*b.tfrecord'"):
        list(read_arrays(path, small_records.SETTINGS["vocab_size"]))
