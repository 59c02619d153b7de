"""Outputs are whole or not there; inputs that are missing are named."""

import gzip
import os

import pytest

from albert_tf import files
from albert_tf.errors import InputError


def test_expand_sorts_and_joins_patterns(tmp_path):
    for name in ("b.txt", "a.txt", "deep/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    found = files.expand(f"{tmp_path}/*.txt, {tmp_path}/**/c.txt")
    assert [p.name for p in found] == ["a.txt", "b.txt", "c.txt"]
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


def test_new_directory_is_whole_or_not_there(tmp_path):
    path = tmp_path / "out"
    with pytest.raises(RuntimeError), files.new_directory(path) as temporary:
        (temporary / "half").write_text("x")
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    with files.new_directory(path) as temporary:
        (temporary / "whole").write_text("x")
    assert os.listdir(path) == ["whole"]
    with (
        pytest.raises(InputError, match="must be new or empty, .* Received '.*out', which holds 1"),
        files.new_directory(path),
    ):
        pass
    assert os.listdir(path) == ["whole"]


def test_a_folder_below_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="must be writable. .* is not a folder"):
        files.check_writable(tmp_path / "file" / "out")
    with pytest.raises(InputError, match="must be a directory. Received '.*file', a file"):
        files.check_new_directory(tmp_path / "file")


def test_open_text_reads_gzip(tmp_path):
    with gzip.open(tmp_path / "t.gz", "wt", encoding="utf-8") as f:
        f.write("é\n")
    with files.open_text(tmp_path / "t.gz") as f:
        assert f.read() == "é\n"
