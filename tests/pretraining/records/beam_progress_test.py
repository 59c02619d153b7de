"""The counts of all workers are reported, each exactly once."""

from collections import Counter

import pytest

from albert_tf.pretraining.records import beam_progress
from albert_tf.pretraining.records.beam_progress import Tally, Watch


@pytest.fixture
def reports():
    return []


@pytest.fixture
def watch(tmp_path, reports):
    return Watch(tmp_path, reports.append)


def test_the_counts_of_all_workers_are_reported_once(tmp_path, watch, reports, monkeypatch):
    monkeypatch.setattr(beam_progress, "SECONDS", 0.0)
    one, other = Tally(tmp_path), Tally(tmp_path)
    one.add({"documents": 2, "instances": 5})
    watch.poll()
    other.add({"documents": 1})
    one.add({"documents": 4, "instances": 3})
    watch.poll()
    watch.poll()
    assert [+report for report in reports] == [
        Counter(documents=2, instances=5),
        Counter(documents=5, instances=3),
        Counter(),
    ]


def test_a_partly_written_file_keeps_its_last_counts(tmp_path, watch, reports):
    Tally(tmp_path).add({"documents": 2})
    watch.poll()
    next(tmp_path.iterdir()).write_text('{"docum')
    watch.poll()
    assert [report["documents"] for report in reports] == [2, 0]


def test_counts_of_a_repeated_block_are_subtracted(watch, reports, tmp_path):
    Tally(tmp_path).add({"documents": 7})
    watch.poll()
    watch.settle({"documents": 4})
    assert [report["documents"] for report in reports] == [7, -3]


def test_progress_files_are_written_periodically_and_removed_at_the_end(tmp_path, watch):
    Tally(tmp_path).add({"documents": 9})  # From a run that was killed.
    with watch.running():
        assert not list(tmp_path.iterdir())
        tally = Tally(tmp_path)
        tally.add({"documents": 2})
        (path,) = tmp_path.iterdir()
        before = path.read_bytes()
        tally.add({"documents": 2})  # Less than SECONDS later.
        assert path.read_bytes() == before
    assert not list(tmp_path.iterdir())
