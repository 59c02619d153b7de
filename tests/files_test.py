"""Outputs are written atomically, and missing inputs are clear errors."""

import gzip
import os

import pytest

from albert_tf import files
from albert_tf.errors import InputError


def test_expand_returns_the_sorted_files_of_all_patterns(tmp_path):
    for name in ("b.txt", "a.txt", "deep/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    paths = files.expand(f"{tmp_path}/*.txt, {tmp_path}/**/c.txt")
    assert [p.name for p in paths] == ["a.txt", "b.txt", "c.txt"]
    with pytest.raises(InputError, match=r"at least one file. Received '.*\*.md', which matches"):
        files.expand([f"{tmp_path}/*.txt", f"{tmp_path}/*.md"])
    with pytest.raises(InputError, match="must not be empty"):
        files.expand("")


def test_replacing_keeps_the_old_file_when_the_block_fails(tmp_path):
    path = tmp_path / "f"
    path.write_text("old")
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["f"]
    with files.replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new" and os.listdir(tmp_path) == ["f"]


def test_a_new_directory_is_complete_or_does_not_exist(tmp_path):
    path = tmp_path / "out"
    with pytest.raises(RuntimeError), files.new_directory(path) as temporary:
        (temporary / "half").write_text("x")
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    with files.new_directory(path) as temporary:
        (temporary / "whole").write_text("x")
    assert os.listdir(path) == ["whole"]
    with (
        pytest.raises(InputError, match="must be new or empty, .* Received '.*out', which has 1 e"),
        files.new_directory(path),
    ):
        pass
    assert os.listdir(path) == ["whole"]


def test_paths_that_are_files_or_below_files_are_errors(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="must be writable. .* is not a folder"):
        files.check_writable(tmp_path / "file" / "out")
    with pytest.raises(InputError, match="must be a directory. Received '.*file', a file"):
        files.check_new_directory(tmp_path / "file")


def test_open_text_reads_gzip_files(tmp_path):
    with gzip.open(tmp_path / "t.gz", "wt", encoding="utf-8") as f:
        f.write("é\n")
    with files.open_text(tmp_path / "t.gz") as f:
        assert f.read() == "é\n"
