"""A resumed build keeps intact shards and rebuilds damaged ones."""

import pytest

from albert_tf.pretraining.records.build_settings import BuildSettings
from albert_tf.pretraining.records.pretraining_data import build
from tests.support.pretraining_corpus import VOCAB, digests


@pytest.fixture
def again(tmp_path):
    """Builds 11 shards of 2 copies each, and returns a function that runs the build again."""
    (tmp_path / "a.txt").write_text("".join(f"One {i}.\nTwo {i}.\n\n" for i in range(12)))
    settings = BuildSettings(max_seq_length=32, dupe_factor=2, shards=11)

    def run(**more):
        return build(str(tmp_path / "a.txt"), VOCAB, tmp_path / "out", settings, **more)

    run()
    return run


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-9])


def change_one_byte(path):
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "message", "engine"),
    [
        (lambda path: path.unlink(), "00006-of-00022.tfrecord' is missing; its shard", {}),
        (cut_off, "00006-of-00022.tfrecord' differs from its checksum", {}),
        (change_one_byte, "00006-of-00022.tfrecord' differs", {"runner": "DirectRunner"}),
    ],
)
def test_a_damaged_shard_is_rebuilt_with_a_warning(
    damage, message, engine, again, tmp_path, caplog
):
    whole = digests(tmp_path / "out")
    files = sorted(tmp_path.glob("out/*.tfrecord"))
    damage(files[6])
    times = [path.stat().st_mtime_ns for path in (files[5], files[8])]
    compared = []
    again(on_verify=lambda done, total: compared.append((done, total)), **engine)
    assert digests(tmp_path / "out") == whole and len(whole) == 23
    assert [path.stat().st_mtime_ns for path in (files[5], files[8])] == times
    assert compared == [(n, 22) for n in range(1, 23)]
    assert message in caplog.text and caplog.text.count("will be rebuilt") == 1


def test_a_finished_build_is_verified_and_not_changed(again, tmp_path, caplog):
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("out/*")}
    assert again()["complete"]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("out/*")} == before
    assert not caplog.records
