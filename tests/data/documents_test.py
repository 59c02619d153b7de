import gzip

import pytest

from albert_tf.data.documents import MAX_SENTENCES, count, read_documents, scan
from albert_tf.errors import InputError

TEXT = "\ufeffOne.\r\n Two. \n\n\n \t\nThree.\n\nFour.\nFive.\nSix."
DOCUMENTS = [["One.", "Two."], ["Three."], ["Four.", "Five.", "Six."]]


def test_reads_documents_of_plain_and_gzip_files(tmp_path):
    plain, packed = tmp_path / "a.txt", tmp_path / "a.txt.gz"
    plain.write_bytes(TEXT.encode())
    packed.write_bytes(gzip.compress(TEXT.encode()))
    assert list(read_documents(plain)) == DOCUMENTS
    assert list(read_documents(packed)) == DOCUMENTS
    counts = count(plain)
    assert counts[:4] == (3, 2, 6, len("One.Two.Three.Four.Five.Six."))
    assert counts == count(packed)


def test_checksum_tells_text_and_document_borders(tmp_path):
    path = tmp_path / "a.txt"
    checksums = set()
    for text in ("One.\nTwo.\n\nThree.", "One.\n\nTwo.\nThree.", "One.\nTwo.\n\nThree!"):
        path.write_text(text)
        checksums.add(count(path).crc32)
    assert len(checksums) == 3


def test_a_file_without_empty_lines_is_cut(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("x\n" * (MAX_SENTENCES + 3))
    assert [len(d) for d in read_documents(path)] == [MAX_SENTENCES, 3]


def test_empty_file(tmp_path):
    (tmp_path / "full.txt").write_text("One.\nTwo.")
    (tmp_path / "empty.txt").write_text("\n \n")
    paths = [tmp_path / "full.txt", tmp_path / "empty.txt"]
    with pytest.raises(InputError, match=r"must hold text.*empty\.txt', which is empty"):
        scan(paths)
