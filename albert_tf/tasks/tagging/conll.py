"""Reads sentences with a label for each word, one word to a line, as in CoNLL 2003.

Columns are separated by tabs, or by any white space if the file has no tab. An empty line ends a
sentence. `-DOCSTART-` lines are skipped. In tab-separated files, comments are skipped too: lines
that begin with "#" and have no tab.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

from albert_tf.data.text_lines import read_lines
from albert_tf.errors import InputError

DOCUMENT = "-DOCSTART-"


@dataclasses.dataclass(frozen=True)
class Sentence:
    """Words and their labels.

    Attributes:
      words: the words of the sentence, at least one.
      labels: one label for each word; empty if unknown.
      line: the line number of the first word.
      name: the name of the file.
    """

    words: tuple[str, ...]
    labels: tuple[str, ...] = ()
    line: int = 1
    name: str = ""

    def place(self, index: int) -> str:
        """Returns the file and line of a word."""
        return f"'{self.name}' line {self.line + index}"


def read(
    path: Path, word_column: int = 0, label_column: int = -1, labelled: bool = True
) -> list[Sentence]:
    """Returns the sentences of a file.

    Args:
      path: the file.
      word_column: the column of the words; negative numbers count from the end.
      label_column: the column of the labels; negative numbers count from the end.
      labelled: whether to read labels.

    Raises:
      InputError: rows differ in their number of columns, or have too few; the error names the line.
    """
    return list(from_lines(read_lines(path), str(path), word_column, label_column, labelled))


def from_lines(
    lines: Iterable[str],
    name: str,
    word_column: int = 0,
    label_column: int = -1,
    labelled: bool = True,
) -> Iterator[Sentence]:
    """Yields the sentences in the lines of a file or stream called `name`; see `read`."""
    lines = list(lines)
    separator = "\t" if any("\t" in line for line in lines) else None
    wanted = [word_column, label_column] if labelled else [word_column]
    width, first = None, 1
    rows: list[list[str]] = []
    for number, line in enumerate([*lines, ""], start=1):
        row = _row(line, separator)
        if row is None:
            continue
        if row:
            width = _checked(row, width, wanted, f"'{name}' line {number}")
            first = first if rows else number
            rows.append(row)
        elif rows:
            words, *labels = [tuple(row[column] for row in rows) for column in wanted]
            yield Sentence(words, labels[0] if labels else (), first, name)
            rows = []


def _row(line: str, separator: str | None) -> list[str] | None:
    """Returns the columns of a line, an empty list for an empty line, or None to skip it."""
    line = line.rstrip("\r\n")
    if not line.strip():
        return []
    if line.split()[0] == DOCUMENT or (separator and line[0] == "#" and separator not in line):
        return None
    return line.split(separator)


def _checked(row: list[str], width: int | None, wanted: list[int], place: str) -> int:
    """Returns the number of columns; raises `InputError` if the row breaks a rule."""
    if width is not None and len(row) != width:
        raise InputError(
            f"All rows must have the same number of columns. Received {len(row)} at {place}, after "
            f"rows of {width}: {row}. Correct the row; an empty line ends a sentence."
        )
    if not all(-len(row) <= column < len(row) for column in wanted) or (
        len(wanted) == 2 and wanted[0] % len(row) == wanted[1] % len(row)
    ):
        raise InputError(
            f"A row must have one column for the word and another for its label. Received {row} at "
            f"{place} for the columns {wanted}. Set WORD_COLUMN and LABEL_COLUMN."
        )
    for column in wanted:
        if not row[column].strip():
            raise InputError(
                f"Words and labels must not be empty. Received {row} at {place}. Correct the row."
            )
    return len(row)
