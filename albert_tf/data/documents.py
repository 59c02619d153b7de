"""Files to documents, as a stream.

Files are UTF-8, plain or gzip by their `.gz` ending. In text files an empty line ends a document;
in JSON Lines (json_lines.py) each line is one. A document is a list of lines, each a sentence or,
if the build splits them, a paragraph. It never crosses files. `scan` reads everything once and
checks it, so that a build does not stop in the middle at a broken file.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from albert_tf.data import json_lines
from albert_tf.data.text_lines import read_lines
from albert_tf.data.workers import ordered_map
from albert_tf.errors import InputError

# A file without empty lines would be one document of its size; it is cut so that memory stays flat.
MAX_LINES = 10_000
TEXT_FIELD = "text"


class FileCounts(NamedTuple):
    """What a file holds.

    Attributes:
      documents: as `read_documents` gives them.
      with_pairs: of these, with two lines and more.
      lines: with text.
      text_bytes: of the lines in UTF-8.
      crc32: of the lines with their ends and those of documents; tells changed text.
    """

    documents: int
    with_pairs: int
    lines: int
    text_bytes: int
    crc32: int


def read_documents(path: Path, text_field: str = TEXT_FIELD) -> Iterator[list[str]]:
    """Yields the documents of a file, each a list of its lines, white space stripped.

    Args:
      path: of the file.
      text_field: of JSON Lines, the field that holds the text.

    Raises:
      InputError: the file is not UTF-8 text, or not JSON Lines; the message names the line.
    """
    lines = read_lines(path)
    if json_lines.is_json_lines(path):
        # An empty line in a text is the end of a paragraph, not of the document.
        texts = json_lines.read_texts(path, lines, text_field)
    else:
        texts = _between_empty_lines(lines)
    for text in texts:
        document = [line for line in map(str.strip, text) if line]
        for begin in range(0, len(document), MAX_LINES):
            yield document[begin : begin + MAX_LINES]


def _between_empty_lines(lines: Iterator[str]) -> Iterator[list[str]]:
    """Yields runs of lines with text, of at most `MAX_LINES`."""
    run: list[str] = []
    for line in lines:
        empty = not line or line.isspace()
        if not empty:
            run.append(line)
        if run and (empty or len(run) == MAX_LINES):
            yield run
            run = []
    if run:
        yield run


def scan(
    paths: Sequence[Path],
    text_field: str = TEXT_FIELD,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[FileCounts]:
    """Returns the counts of each file.

    Args:
      paths: text files.
      text_field: of JSON Lines, the field that holds the text.
      workers: processes.
      progress: called with the files read so far and their number.

    Raises:
      InputError: a file is not as described above, or is empty.
    """
    counts = []
    found_counts = ordered_map(_counter, (text_field,), paths, min(workers, len(paths)))
    for path, found in zip(paths, found_counts):
        if not found.documents:
            raise InputError(
                f"A text file must hold text. Received '{path}', which is empty. Leave it out."
            )
        counts.append(found)
        if progress:
            progress(len(counts), len(paths))
    return counts


def _counter(text_field: str) -> Callable[[Path], FileCounts]:
    return functools.partial(count, text_field=text_field)


def count(path: Path, text_field: str = TEXT_FIELD) -> FileCounts:
    """Returns the counts of a file."""
    documents = with_pairs = lines = text_bytes = crc32 = 0
    for document in read_documents(path, text_field):
        text = "\n".join(document).encode()
        documents += 1
        with_pairs += len(document) > 1
        lines += len(document)
        text_bytes += len(text) - (len(document) - 1)
        crc32 = zlib.crc32(text + b"\n\n", crc32)
    return FileCounts(documents, with_pairs, lines, text_bytes, crc32)
