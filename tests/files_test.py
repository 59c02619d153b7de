"""Outputs are written atomically, and missing inputs are clear errors."""

import errno
import gzip
import itertools
import json
import os
import re
import stat
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from albert_tf import files
from albert_tf.errors import InputError
from tests.support.paths import ROOT


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
        (b'{"a": ' + b"[" * 99_999, "JSON. .*nested too deeply"),
        (b'{"a": "\xff"}', "JSON. .*can't decode byte 0xff"),
        (b"[1]", "must be a JSON object. Received '.*x.json', whose value is of type list"),
    ],
)
def test_json_that_is_not_an_object_is_an_error(tmp_path, data, message):
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(InputError, match=message):
        files.read_json(tmp_path / "x.json", "A config")


def test_json_beyond_the_limit_is_an_error_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv(files.LONGEST_LINE, "1000")
    with open(tmp_path / "x.json", "w") as file:
        file.truncate(2**40)  # a sparse file
    with pytest.raises(InputError, match="JSON. .*more than 1000 char.*ALBERT_TF_LONGEST_LINE"):
        files.read_json(tmp_path / "x.json", "A config")


def test_json_may_have_a_byte_order_mark_and_whole_surrogate_pairs(tmp_path):
    (tmp_path / "x.json").write_bytes(b'\xef\xbb\xbf{"a": "\\ud83d\\ude00"}')
    assert files.read_json(tmp_path / "x.json", "A config") == {"a": "\U0001f600"}


def test_json_has_no_half_of_a_surrogate_pair():
    parts = ["\\ud83d", "\\uDE00", "\\\\", "\\n", "\\uD7ff", "\\ue000", "ud83d", "é", "\\uDBFF"]
    for count in range(1, 5):
        for chosen in itertools.product(parts, repeat=count):
            text = f'["{"".join(chosen)}"]'
            (value,) = json.loads(text)
            halves = [c for c in value if 0xD800 <= ord(c) < 0xE000]
            if halves:
                with pytest.raises(ValueError, match=re.escape(f"{halves[0]!r} is half of")):
                    files.parse_json(text)
            else:
                assert files.parse_json(text) == [value]


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


def test_replacing_follows_links_and_keeps_permissions(tmp_path):
    target, link = tmp_path / "real/f", tmp_path / "link"
    target.parent.mkdir()
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target)
    with files.replacing(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink() and target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o600
    with files.replacing(tmp_path / "fresh") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "fresh").stat().st_mode & 0o777 == 0o666 & ~files._umask()


def test_replacing_writes_to_pipes_and_devices(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    received = []
    reader = threading.Thread(target=lambda: received.append((tmp_path / "pipe").read_text()))
    reader.start()
    with files.replacing(tmp_path / "pipe") as path:
        path.write_text("a line")
    reader.join()
    assert received == ["a line"] and stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    with files.replacing("/dev/null") as path:
        path.write_text("a line")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_full_disk_is_an_error_that_keeps_the_old_file(tmp_path):
    with (
        pytest.raises(InputError, match="room and permission to write '/dev/full'.*No space left"),
        files.replacing("/dev/full") as path,
    ):
        path.write_text("x")
    (tmp_path / "f").write_text("old")
    for error in (OSError(errno.ENOSPC, "no"), RuntimeError("ckpt; No space left on device [Op]")):
        for write in (files.replacing(tmp_path / "f"), files.new_directory(tmp_path / "d")):
            with pytest.raises(InputError, match="'.*(f|d)'. Received: No space left"), write:
                raise error
    assert os.listdir(tmp_path) == ["f"] and (tmp_path / "f").read_text() == "old"


def test_a_new_directory_follows_a_link_and_refuses_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with files.new_directory(tmp_path / "link") as temporary:
        (temporary / "a").write_text("x")
    assert (tmp_path / "link").is_symlink() and os.listdir(tmp_path / "real") == ["a"]
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    for place in (".", tmp_path / "empty", "/proc"):
        with pytest.raises(InputError, match="neither a mount point nor the working directory"):
            files.check_new_directory(place)


def test_a_disk_without_room_is_an_error_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2**20))
    path, message = (
        tmp_path / "new/out",
        r"must have room .*out', which needs 1\.1 MiB and has 1\.0",
    )
    with pytest.raises(InputError, match=message):
        files.check_new_directory(path, size=1_153_434)
    with pytest.raises(InputError, match=message), files.new_directory(path, size=1_153_434):
        pass
    assert os.listdir(tmp_path) == []
    with files.new_directory(path, size=2**20):
        pass
    assert os.listdir(path) == []


def test_two_writers_of_one_directory_leave_the_first_result(tmp_path):
    path = tmp_path / "out"
    with (
        pytest.raises(InputError, match="where another process has written in the meantime"),
        files.new_directory(path) as second,
    ):
        (second / "b").write_text("2")
        with files.new_directory(path) as first:
            (first / "a").write_text("1")
        assert second.is_dir()  # The first one did not take it for a leftover.
    assert os.listdir(path) == ["a"] and os.listdir(tmp_path) == ["out"]


def test_the_leftovers_of_killed_processes_are_removed(tmp_path):
    code = (
        "import os, sys\nfrom albert_tf import files\n"
        "with files.new_directory(sys.argv[1]) as d, files.replacing(sys.argv[2]) as f:\n"
        "    os.kill(os.getpid(), 9)"
    )
    paths = [str(tmp_path / "d"), str(tmp_path / "f")]
    subprocess.run([sys.executable, "-c", code, *paths], cwd=ROOT, check=False)
    assert len(os.listdir(tmp_path)) == 2
    (tmp_path / ".d.mine.tmp").mkdir()  # not a name that this package makes
    with files.new_directory(paths[0]), files.replacing(paths[1]):
        pass
    assert sorted(os.listdir(tmp_path)) == [".d.mine.tmp", "d", "f"]


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
