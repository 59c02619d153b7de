import gzip
import json

import pytest

from albert_tf.data.documents import MAX_LINES, TextLines, count, read_documents, scan
from albert_tf.errors import InputError

TEXT = "\ufeffOne.\r\n Two. \n\n\n \t\nThree.\n\nFour.\nFive.\nSix."
DOCUMENTS = [["One.", "Two."], ["Three."], ["Four.", "Five.", "Six."]]


def test_reads_documents_from_plain_and_gzip_files(tmp_path):
    plain, packed = tmp_path / "a.txt", tmp_path / "a.txt.gz"
    plain.write_bytes(TEXT.encode())
    packed.write_bytes(gzip.compress(TEXT.encode()))
    assert list(read_documents(plain)) == DOCUMENTS
    assert list(read_documents(packed)) == DOCUMENTS
    counts = count(plain)
    assert counts[:4] == (3, 2, 6, len("One.Two.Three.Four.Five.Six."))
    assert counts == count(packed)


def test_checksum_depends_on_text_and_document_boundaries(tmp_path):
    path = tmp_path / "a.txt"
    checksums = set()
    for text in ("One.\nTwo.\n\nThree.", "One.\n\nTwo.\nThree.", "One.\nTwo.\n\nThree!"):
        path.write_text(text)
        checksums.add(count(path).crc32)
    assert len(checksums) == 3


def test_a_file_without_empty_lines_is_split(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("x\n" * (MAX_LINES + 3))
    assert [len(d) for d in read_documents(path)] == [MAX_LINES, 3]


TEXTS = ["One.\r\n Two. \n", "Three.", ["Four.", "Five.", "", "Six."], " \n"]


def test_each_json_lines_object_is_a_document(tmp_path):
    lines = [json.dumps({"id": i, "body": text}) for i, text in enumerate(TEXTS)]
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress("\n\n".join(lines).encode()))
    assert list(read_documents(path, "body")) == DOCUMENTS
    (tmp_path / "a.txt").write_bytes(TEXT.encode())
    assert count(path, "body") == count(tmp_path / "a.txt")


@pytest.mark.parametrize(
    "line, message",
    [
        (
            "{",
            r"one object per line. Received line 2 of '.*a\.jsonl': Expecting.* Write each doc",
        ),
        (
            "[1]",
            r"one object per line. Received line 2 of '.*', which is of type list. Write {\"text\"",
        ),
        ('{"texts": ""}', r"'text'. Received line 2 .*--text_field. Closest: texts. All: texts"),
        (
            '{"text": 3}',
            r"a string or a list of strings. Received line 2 .* of type int. Leave out",
        ),
        (
            '{"text": ["One.", 2]}',
            r"a string or a list of strings. Received line 2 .* of type list",
        ),
    ],
)
def test_invalid_json_lines_are_errors(tmp_path, line, message):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "One."}\n' + line + "\n")
    with pytest.raises(InputError, match=message):
        count(path)


def test_an_empty_file_is_an_error(tmp_path):
    (tmp_path / "full.txt").write_text("One.\nTwo.")
    (tmp_path / "empty.txt").write_text("\n \n")
    paths = [tmp_path / "full.txt", tmp_path / "empty.txt"]
    with pytest.raises(InputError, match=r"must contain text.*empty\.txt', which is empty"):
        scan(paths)


def test_a_vocabulary_is_trained_on_the_text_that_a_build_reads(tmp_path):
    (tmp_path / "a.txt").write_text("\ufeffe\u0301\n\ntwee", encoding="utf-8")
    objects = ['{"url": "u", "body": "dr\\u00ede\\nvier"}', "", '{"body": ["vijf", "zes"]}']
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress("\n".join(objects).encode()))
    lines = TextLines([tmp_path / "a.txt", tmp_path / "b.jsonl.gz"], "body")
    assert list(lines) == ["e\u0301\n", "\n", "twee", "dríe", "vier", "vijf", "zes"]
    assert (lines.count, lines.replaced) == (7, 0)
    with pytest.raises(InputError, match=r"field 'text'. Received line 1 .*--text_field"):
        list(TextLines(lines.files))


def test_invalid_utf8_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"ok\nno \xff\n")
    with pytest.raises(
        InputError, match=r"must be UTF-8 text\. Received '.*bad.txt', whose line 2"
    ):
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
