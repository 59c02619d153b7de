import gzip

import pytest

from albert_tf.data.text_lines import read_lines
from albert_tf.errors import InputError


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
