import dataclasses
import gzip

import pytest
from upath import UPath

from albert_tf.errors import InputError
from albert_tf.pretraining.records import beam_build, beam_progress
from albert_tf.pretraining.records.build_job import FILES
from albert_tf.pretraining.records.build_settings import BuildSettings
from albert_tf.pretraining.records.pretraining_data import build
from tests.support.pretraining_corpus import CORPUS, VOCAB, digests


def test_an_interrupted_pipeline_resumes(tmp_path, ten_shards, undisturbed, monkeypatch):
    write = beam_build._Write.__call__

    def fail_once(self, key, blocks):
        if key == (7, 0):
            raise OSError("the disk is gone")
        write(self, key, blocks)

    with monkeypatch.context() as patch, pytest.raises(Exception, match="the disk is gone"):
        patch.setattr(beam_build._Write, "__call__", fail_once)
        build(str(CORPUS), VOCAB, tmp_path, ten_shards, runner="DirectRunner")
    written = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob(FILES)}
    assert 0 < len(written) < 20
    build(str(CORPUS), VOCAB, tmp_path, ten_shards, runner="DirectRunner")
    assert digests(tmp_path) == undisturbed
    kept = [name for name, time in written.items() if (tmp_path / name).stat().st_mtime_ns == time]
    assert kept


def test_a_remote_store_gets_the_same_files(tmp_path):
    store = UPath("memory://text")
    halves = gzip.decompress(CORPUS.read_bytes()).decode().split("\n\n")
    for name, documents in (("a.txt.gz", halves[:150]), ("b.txt.gz", halves[150:])):
        data = gzip.compress("\n\n".join(documents).encode())
        (tmp_path / name).write_bytes(data)
        (store / name).write_bytes(data)
    settings = BuildSettings(max_seq_length=64, dupe_factor=2, shards=2)
    build(str(tmp_path / "*.gz"), VOCAB, tmp_path / "out", settings)
    for name, engine in (("local", {}), ("beam", {"runner": "DirectRunner"})):
        out = f"memory://data/{name}"
        manifest = build("memory://text/*.gz", VOCAB, out, settings, **engine)
        assert digests(UPath(out)) == digests(tmp_path / "out")
        assert build("memory://text/*.gz", VOCAB, out, settings, **engine) == manifest
        with pytest.raises(InputError, match=f"can be resumed only.*memory://data/{name}"):
            build("memory://text/*.gz", VOCAB, out, dataclasses.replace(settings, seed=1))


def test_progress_is_reported_from_start_to_end(tmp_path, ten_shards, monkeypatch):
    monkeypatch.setattr(beam_progress, "SECONDS", 0.002)
    reports = []
    manifest = build(
        *(str(CORPUS), VOCAB, tmp_path / "out", ten_shards),
        runner="DirectRunner",
        progress=lambda counts, total: reports.append((counts["instances"], counts["text_bytes"])),
    )
    total = manifest["input"][0]["text_bytes"]
    assert reports[0] == (0, 0) and reports[-1] == (manifest["counts"]["instances"], total)
    assert reports == sorted(reports)
    assert any(0 < text_bytes < total for _, text_bytes in reports)
