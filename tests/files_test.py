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


def test_a_file_of_that_very_name_comes_before_a_glob(tmp_path, monkeypatch):
    names = ("data[1].txt", "data1.txt", "a,b.txt", "b.txt", "c*.txt", "cd.txt", "r[1]/x.txt",
             "r1/x.txt", "r[1]/y,z.txt")  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    monkeypatch.chdir(tmp_path)

    def found(patterns):
        return [str(path) for path in files.expand(patterns)]

    assert found("data[1].txt") == ["data[1].txt"]
    assert found("data[12].txt") == ["data1.txt"]
    assert found("a,b.txt") == ["a,b.txt"] and found("c*.txt") == ["c*.txt"]
    assert found("b.txt, a,b.txt,data[1].txt") == ["a,b.txt", "b.txt", "data[1].txt"]
    assert found("r[1]/*.txt") == ["r[1]/x.txt", "r[1]/y,z.txt"]
    assert found(f"{tmp_path}/r[1]/y,z.txt,b.txt") == [f"{tmp_path}/r[1]/y,z.txt", "b.txt"]
    assert found(["r[1]/y,z.txt", "r1/*"]) == ["r1/x.txt", "r[1]/y,z.txt"]
    with pytest.raises(InputError, match=r"Received 'r\[2-9\]/x.txt', which matches no file"):
        found("a,b.txt,r[2-9]/x.txt")


@pytest.mark.parametrize("pattern", ["x" * 5000, "a\0b", "*/" * 3000, "~nobody_of_this_name/x"])
def test_a_pattern_that_no_file_can_have_is_an_error(pattern):
    with pytest.raises(InputError, match="at least one file"):
        files.expand(pattern)
    with pytest.raises(InputError, match="must be an existing file"):
        files.existing(pattern, "A file")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a": 1', "A config must be JSON. Received '.*x.json': Expecting"),
        (b'{"a": "\\udc00"}', "JSON. .*half of a surrogate pair"),
        (b'{"a": ' + b"[" * 5000, "JSON. .*nested too deeply"),
        (b'{"a": "\xff"}', "JSON. .*can't decode byte 0xff"),
        (b"[1]", "must be a JSON object. Received '.*x.json', whose value is of type list"),
    ],
)
def test_json_that_is_not_an_object_is_an_error(tmp_path, data, message):
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(InputError, match=message):
        files.read_json(tmp_path / "x.json", "A config")


def test_json_may_have_a_byte_order_mark_and_whole_surrogate_pairs(tmp_path):
    (tmp_path / "x.json").write_bytes(b'\xef\xbb\xbf{"a": "\\ud83d\\ude00"}')
    assert files.read_json(tmp_path / "x.json", "A config") == {"a": "\U0001f600"}


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
