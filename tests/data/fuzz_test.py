"""A damaged file is read, or is one error. `make fuzz` tries others."""

import pytest

from tests.support import fuzz
from tests.support.fuzz_readers import READERS, Reader

SEEDS = 500


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_damaged_file_is_read_or_is_one_error(reader, tmp_path):
    failures = [
        f"seed {seed}: {problem}"
        for seed in range(round(SEEDS * reader.share))
        if (problem := fuzz.problem(reader, seed, tmp_path))
    ]
    assert not failures, failures[0]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_the_file_that_is_damaged_is_valid(reader, tmp_path):
    path = tmp_path / reader.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(reader.data)
    reader.read(path)
    changed = {fuzz.damaged(reader, seed)[1] for seed in range(50)}
    assert len(changed) > 15 and fuzz.damaged(reader, 7) == fuzz.damaged(reader, 7)


def test_a_reader_that_fails_is_found(tmp_path):
    def read(path):
        path.read_bytes().decode()

    reader = Reader("bad", "a.txt", b"text in some lines\nof a file\n" * 3, read)
    found = [problem for seed in range(99) if (problem := fuzz.problem(reader, seed, tmp_path))]
    assert any("UnicodeDecodeError" in problem for problem in found)
