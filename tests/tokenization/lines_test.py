import gzip

import pytest

from albert_tf.errors import InputError
from albert_tf.tokenization.lines import TextLines


def test_reads_plain_and_gzip_files(tmp_path):
    (tmp_path / "a.txt").write_text("één\ntwee\n", encoding="utf-8")
    with gzip.open(tmp_path / "b.txt.gz", "wt", encoding="utf-8") as stream:
        stream.write("drie")
    lines = TextLines([tmp_path / "a.txt", tmp_path / "b.txt.gz"])
    assert list(lines) == ["één\n", "twee\n", "drie"]
    assert (lines.count, lines.replaced) == (3, 0)


def test_invalid_utf8_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"ok\nno \xff\n")
    with pytest.raises(InputError, match=r"must be UTF-8\. Received '.*bad.txt' .*byte 0xff"):
        list(TextLines([tmp_path / "bad.txt"]))


@pytest.mark.parametrize("opener", [open, gzip.open])
def test_invalid_utf8_is_replaced_and_counted_on_request(tmp_path, opener):
    path = tmp_path / ("bad.gz" if opener is gzip.open else "bad.txt")
    with opener(path, "wb") as stream:
        stream.write("é \U0001f600\n".encode() + b"no \xff\xfe\n")
    lines = TextLines([path], replace_invalid=True)
    assert list(lines) == ["é \U0001f600\n", "no \ufffd\ufffd\n"]
    assert lines.replaced == 2


def test_a_file_that_is_not_gzip_is_an_error(tmp_path):
    (tmp_path / "bad.gz").write_bytes(b"plain text")
    with pytest.raises(InputError, match="must be readable. Received '.*bad.gz'"):
        list(TextLines([tmp_path / "bad.gz"]))
