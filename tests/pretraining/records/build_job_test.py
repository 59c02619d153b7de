from pathlib import Path

import pytest
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.pretraining.records.build_job import Job, explained, open_records
from albert_tf.pretraining.records.build_settings import BuildSettings


def job(directory):
    settings = BuildSettings(dupe_factor=3, shards=2)
    return Job(None, settings, [], 0, directory, frozenset())


def test_each_copy_of_a_shard_has_a_file(tmp_path):
    names = [path.name for shard in (0, 1) for path in job(tmp_path).paths(shard)]
    assert names == [f"instances-{n:05d}-of-00006.tfrecord" for n in range(6)]


def test_entry_has_the_checksums_of_the_files(tmp_path):
    for number, path in enumerate(job(tmp_path).paths(1)):
        path.write_bytes(b"x" * number)
    entry = job(tmp_path).entry(1, {"tokens": 7, "documents": 2})
    assert list(entry["counts"]) == ["documents", "tokens"]
    # echo -n "" | sha256sum; echo -n x | sha256sum
    empty, one, _ = entry["sha256"].values()
    assert empty.startswith("e3b0c44298fc1c14") and one.startswith("2d711642b726b044")


def test_record_files_appear_when_they_are_complete(tmp_path):
    path = tmp_path / "a.tfrecord"
    with pytest.raises(KeyError), open_records(path) as writer:
        writer.write(b"one")
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with open_records(path) as writer:
        writer.write(b"two")
    assert [r.numpy() for r in tf.data.TFRecordDataset(str(path))] == [b"two"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        tf.errors.ResourceExhaustedError(None, None, "No space left on device"),
    ],
)
def test_write_errors_explain_how_to_resume(error):
    message = "in '/data': .*No space left on device. Finished shards are kept.*same command"
    with pytest.raises(InputError, match=message), explained(Path("/data")):
        raise error
