"""Text files to documents, as a stream: a sentence a line, an empty line between documents.

Files are UTF-8, plain or gzip by their `.gz` ending. A document never crosses files. `scan` reads
everything once and checks it, so that a build does not stop in the middle at a broken file.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from albert_tf.data.text_lines import read_lines
from albert_tf.data.workers import ordered_map
from albert_tf.errors import InputError

# A file without empty lines would be one document of its size; it is cut so that memory stays flat.
MAX_SENTENCES = 10_000


class FileCounts(NamedTuple):
    """What a text file holds.

    Attributes:
      documents: as `read_documents` gives them.
      with_pairs: of these, with two sentences and more.
      sentences: lines with text.
      text_bytes: of the sentences in UTF-8.
      crc32: of the sentences with their ends and those of documents; tells changed text.
    """

    documents: int
    with_pairs: int
    sentences: int
    text_bytes: int
    crc32: int


def read_documents(path: Path) -> Iterator[list[str]]:
    """Yields the documents of a file, each a list of its sentences, white space stripped.

    Raises:
      InputError: the file is not UTF-8 text; the message names the line.
    """
    document: list[str] = []
    for line in read_lines(path):
        line = line.strip()
        if line:
            document.append(line)
        if document and (not line or len(document) == MAX_SENTENCES):
            yield document
            document = []
    if document:
        yield document


def scan(
    paths: Sequence[Path], workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> list[FileCounts]:
    """Returns the counts of each file.

    Args:
      paths: text files.
      workers: processes.
      progress: called with the files read so far and their number.

    Raises:
      InputError: a file is not UTF-8 text or is empty.
    """
    counts = []
    for path, found in zip(paths, ordered_map(_counter, (), paths, min(workers, len(paths)))):
        if not found.documents:
            raise InputError(
                f"A text file must hold text. Received '{path}', which is empty. Leave it out."
            )
        counts.append(found)
        if progress:
            progress(len(counts), len(paths))
    return counts


def _counter() -> Callable[[Path], FileCounts]:
    return count


def count(path: Path) -> FileCounts:
    """Returns the counts of a file."""
    documents = with_pairs = sentences = text_bytes = crc32 = 0
    for document in read_documents(path):
        text = "\n".join(document).encode()
        documents += 1
        with_pairs += len(document) > 1
        sentences += len(document)
        text_bytes += len(text) - (len(document) - 1)
        crc32 = zlib.crc32(text + b"\n\n", crc32)
    return FileCounts(documents, with_pairs, sentences, text_bytes, crc32)
