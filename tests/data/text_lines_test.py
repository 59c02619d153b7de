import gzip
import re
import zlib
from pathlib import Path

import pytest

from albert_tf.data import documents, tables
from albert_tf.data.text_lines import read_lines
from albert_tf.errors import InputError
from albert_tf.files import LONGEST_LINE
from albert_tf.tasks.multiple_choice import race
from albert_tf.tasks.question_answering import squad
from albert_tf.tasks.tagging import conll


def test_lines_keep_their_ends_but_not_the_byte_order_mark(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffOne.\r\n\ufeffé\n\nend".encode())
    assert list(read_lines(path)) == ["One.\n", "\ufeffé\n", "\n", "end"]


@pytest.mark.parametrize("packed", [False, True])
def test_invalid_utf8_is_an_error_that_names_file_and_line(tmp_path, packed):
    # Far enough in that the decoder's chunk starts before the broken line.
    data = b"good line\n" * 5000 + b"caf\xe9\n" + b"good line\n"
    path = tmp_path / ("bad.txt.gz" if packed else "bad.txt")
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(InputError, match=r"must be UTF-8 text.*bad\.txt.*line 5001 is not.*iconv"):
        list(read_lines(path))


def test_a_binary_file_is_an_error_that_names_the_line(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(b"text\n\x00\x01\n")
    with pytest.raises(InputError, match=r"model\.bin.*line 2 has a zero byte"):
        list(read_lines(path))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\n" * 9000 + b"\0\n" + b"a\n" * 9000 + b"\xff", "line 9001 has a zero byte"),
        (b"a\n" * 9000 + b"\xff\n" + b"a\n" * 9000 + b"\0", "line 9001 is not: invalid start"),
        (b"\xff\xfea\0\n\0", "line 1 is not: invalid start byte"),  # UTF-16
        (b"\xef\xbb\xbf\0", "line 1 has a zero byte"),
        (b"a\r\n\r\0", "line 3 has a zero byte"),
    ],
)
def test_the_first_line_that_is_not_text_is_named(tmp_path, data, message):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        list(read_lines(path))


def test_zero_bytes_are_an_error_where_other_bytes_are_replaced(tmp_path):
    path, replaced = tmp_path / "a.txt", []
    path.write_bytes(b"\xff\xfe\n\0\n")
    with pytest.raises(InputError, match="line 2 has a zero byte"):
        list(read_lines(path, on_replaced=replaced.append))
    assert replaced == [2]


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
def test_a_file_without_text_has_no_lines(tmp_path, data):
    (tmp_path / "a.txt").write_bytes(data)
    assert list(read_lines(tmp_path / "a.txt")) == []


def test_a_truncated_gzip_file_is_an_error(tmp_path):
    path = tmp_path / "cut.txt.gz"
    path.write_bytes(gzip.compress(b"some text\n" * 99)[:-9])
    with pytest.raises(InputError, match=r"must be readable.*cut\.txt\.gz"):
        list(read_lines(path))


def bomb(path, start, character, size=2**30):
    """Writes a gzip file of `start` and `size` characters, of which 1 MB is packed."""
    packer = zlib.compressobj(9, wbits=31)
    begin = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(character * 2**20) + packer.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(begin + block * (size // 2**20))
    return path


def _classes(path):
    return list(tables.read(path, ["text"]))


def _documents(path):
    return list(documents.read_documents(path))


READERS = {
    "corpus": ("a.txt.gz", b"", _documents),
    "corpus of objects": ("a.jsonl.gz", b'{"text": "', _documents),
    "vocabulary": (
        "a.txt.gz",
        b"",
        lambda path: sum(map(len, documents.TextLines([path], "text", True))),
    ),
    "csv": ("a.csv.gz", b'text,label\n"', _classes),
    "tsv": ("a.tsv.gz", b"text\tlabel\n", _classes),
    "json lines": ("a.jsonl.gz", b'{"text": "', _classes),
    "header": ("b.csv.gz", b"text,", _classes),
    "squad": ("a.json.gz", b'{"data": ["', lambda path: squad.read([path])),
    "race": ("a.txt.gz", b'{"article": "', lambda path: list(race.read([path]))),
    "conll": ("a.conll.gz", b"", lambda path: list(conll.read(path))),
}


@pytest.fixture
def memory():
    """Returns the largest size of this process since the test began, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory()
    return lambda: _memory() - before


def _memory():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


@pytest.mark.parametrize("reader", READERS)
def test_a_line_of_a_gigabyte_is_refused_in_little_memory(reader, tmp_path, monkeypatch, memory):
    monkeypatch.setenv(LONGEST_LINE, str(2**20))
    name, start, read = READERS[reader]
    path = bomb(tmp_path / name, start, b"a")
    assert path.stat().st_size < 2.5e6
    with pytest.raises(InputError, match=r"at most 1048576 characters\. Received '.*gz', whose li"):
        read(path)
    assert memory() < 2**27


@pytest.mark.parametrize("reader", ["corpus", "vocabulary", "tsv", "squad", "race", "conll"])
def test_short_lines_of_a_gigabyte_are_refused(reader, tmp_path, monkeypatch, memory):
    monkeypatch.setenv(LONGEST_LINE, "1000")
    name, start, read = READERS[reader]
    path = bomb(tmp_path / name, b"", b"\n", 2**25)
    with pytest.raises(InputError, match=r"100 times its size and more than 1000 char.*Decompress"):
        read(path)
    assert memory() < 2**27


def test_a_quote_without_an_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(LONGEST_LINE, "1000")
    (tmp_path / "a.csv").write_text('text\n"' + "some text\n" * 200)
    with pytest.raises(InputError, match=r"row at line 2 does not: field larger.*double quotes"):
        _classes(tmp_path / "a.csv")


def test_lines_up_to_the_limit_are_read(tmp_path, monkeypatch):
    monkeypatch.setenv(LONGEST_LINE, "5")
    (tmp_path / "a.txt").write_text("éééé\n12345\n")
    lines = read_lines(tmp_path / "a.txt")
    assert next(lines) == "éééé\n"
    with pytest.raises(InputError, match="at most 5 characters. Received '.*', whose line 2 has"):
        next(lines)
    monkeypatch.delenv(LONGEST_LINE)
    (tmp_path / "a.txt").write_text("x" * 2**24)
    assert [len(line) for line in read_lines(tmp_path / "a.txt")] == [2**24]
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"x\n" * 2**20))  # 400 times its size
    assert sum(1 for _ in read_lines(tmp_path / "a.txt.gz")) == 2**20


@pytest.mark.parametrize("value", ["0", "-1", "1e6", "x" * 999, "9" * 30])
def test_the_limit_is_a_positive_number(tmp_path, monkeypatch, value):
    monkeypatch.setenv(LONGEST_LINE, value)
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(InputError, match="ALBERT_TF_LONGEST_LINE must be a positive number"):
        list(read_lines(tmp_path / "a.txt"))
