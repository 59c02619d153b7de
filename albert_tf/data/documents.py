"""Reads files as a stream of documents.

Files are UTF-8; names that end in `.gz` are gzip-compressed. In text files an empty line ends a
document; in JSON Lines (json_lines.py) each line is a document. A document is a list of lines, each
of which is a sentence or, if the build splits sentences, a paragraph. Documents never span files.
`scan` reads and checks all files first, so that a build does not fail halfway on a broken file.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import sentencex

from albert_tf.data import json_lines
from albert_tf.data.row_report import RowReport
from albert_tf.data.text_lines import read_lines
from albert_tf.data.workers import ordered_map
from albert_tf.errors import InputError

# A file without empty lines would be a single document; splitting it keeps memory use constant.
MAX_LINES = 10_000
TEXT_FIELD = "text"


class FileCounts(NamedTuple):
    """The size of a file's contents.

    Attributes:
      documents: the number of documents yielded by `read_documents`.
      with_pairs: the number of documents with at least two lines.
      lines: the number of lines that have text.
      text_bytes: the size of these lines in UTF-8, without line ends.
      crc32: a checksum of the lines, line ends and document boundaries, to detect changed text.
    """

    documents: int
    with_pairs: int
    lines: int
    text_bytes: int
    crc32: int


def read_documents(
    path: Path, text_field: str = TEXT_FIELD, report: RowReport | None = None
) -> Iterator[list[str]]:
    """Yields the documents of a file as lists of lines, with surrounding white space stripped.

    Args:
      path: the file.
      text_field: the field of JSON Lines objects that holds the text.
      report: counts the lines of JSON Lines, and takes those without text.

    Raises:
      InputError: the file is not valid UTF-8 text or JSON Lines; the message names the line.
    """
    lines = read_lines(path)
    if json_lines.is_json_lines(path):
        # An empty line within the text ends a paragraph, not the document.
        texts = json_lines.read_texts(path, lines, text_field, report)
    else:
        texts = _between_empty_lines(lines)
    for text in texts:
        document = [line for line in map(str.strip, text) if line]
        for begin in range(0, len(document), MAX_LINES):
            yield document[begin : begin + MAX_LINES]


def _between_empty_lines(lines: Iterator[str]) -> Iterator[list[str]]:
    """Yields runs of nonempty lines, of at most `MAX_LINES` lines each."""
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
    report: RowReport | None = None,
) -> list[FileCounts]:
    """Checks the files and returns the counts of each.

    Args:
      paths: the text files.
      text_field: the field of JSON Lines objects that holds the text.
      workers: the number of processes.
      progress: called with the number of files read so far and the total number of files.
      report: counts the lines of JSON Lines, and takes those without text.

    Raises:
      InputError: a file is empty, or `read_documents` cannot read it.
    """
    counts = []
    results = ordered_map(_counter, (text_field,), paths, min(workers, len(paths)))
    for path, (file_counts, rows) in zip(paths, results):
        if report is not None:
            report.add(rows)
        if not file_counts.documents:
            raise InputError(
                f"A text file must contain text. Received '{path}', which is empty. Leave it out."
            )
        counts.append(file_counts)
        if progress:
            progress(len(counts), len(paths))
    return counts


def _counter(text_field: str) -> Callable[[Path], tuple[FileCounts, RowReport]]:
    def counted(path: Path) -> tuple[FileCounts, RowReport]:
        report = RowReport()
        return count(path, text_field, report), report

    return counted


def count(path: Path, text_field: str = TEXT_FIELD, report: RowReport | None = None) -> FileCounts:
    """Reads a file and returns its counts; the report is that of `read_documents`."""
    documents = with_pairs = lines = text_bytes = crc32 = 0
    for document in read_documents(path, text_field, report):
        text = "\n".join(document).encode()
        documents += 1
        with_pairs += len(document) > 1
        lines += len(document)
        text_bytes += len(text) - (len(document) - 1)
        crc32 = zlib.crc32(text + b"\n\n", crc32)
    return FileCounts(documents, with_pairs, lines, text_bytes, crc32)


class TextLines:
    """An iterable over the lines of text in files, for training a vocabulary.

    Args:
      files: the files, in reading order, in any format of `read_documents`.
      text_field: the field of JSON Lines objects that holds the text.
      replace_invalid: whether to replace and count bytes that are not valid UTF-8; otherwise they
        are an error.

    Attributes:
      count: the number of lines, once all have been read.
      replaced: the number of bytes replaced so far.
      report: the lines of JSON Lines, and those without text.
    """

    def __init__(
        self, files: Sequence[Path], text_field: str = TEXT_FIELD, replace_invalid: bool = False
    ) -> None:
        self.files = list(files)
        self.text_field = text_field
        self.replace_invalid = replace_invalid
        self.count = 0
        self.replaced = 0
        self.report = RowReport()

    def __iter__(self) -> Iterator[str]:
        """Yields the lines.

        Raises:
          InputError: see `read_documents`.
        """
        numbers = itertools.count(1)
        sources = itertools.chain(map(self._lines, self.files), [self._end(numbers)])
        # `compress` numbers lines in half the time that a loop takes.
        return itertools.compress(itertools.chain.from_iterable(sources), numbers)

    def _lines(self, path: Path) -> Iterable[str]:
        lines = read_lines(path, on_replaced=self._add if self.replace_invalid else None)
        if json_lines.is_json_lines(path):
            texts = json_lines.read_texts(path, lines, self.text_field, self.report)
            return itertools.chain.from_iterable(texts)
        return lines

    def _end(self, numbers: Iterator[int]) -> Iterator[str]:
        self.count = next(numbers) - 1
        yield from ()

    def _add(self, replaced: int) -> None:
        self.replaced += replaced


_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]+)*")


def split_sentences(paragraph: str, language: str = "en") -> list[str]:
    """Returns the sentences of a paragraph, with surrounding white space stripped.

    Args:
      paragraph: a line of text.
      language: the language code, such as "en"; see `check_language`.
    """
    pieces = (piece.strip() for piece in sentencex.segment(language, paragraph))
    return [piece for piece in pieces if piece]


def check_language(code: str) -> None:
    """Checks the form of a language code. Languages without specific rules use those of English.

    Raises:
      InputError: the code does not look like "en" or "zh-hans".
    """
    if not _LANGUAGE.fullmatch(code):
        raise InputError(
            "A language must be given by its Wikipedia code, such as en, de, tr, ja or ar. "
            f"Received {code!r}. Pass the code of the language of the text."
        )
