"""Sentences with a label for each word, a word a line: CoNLL 2003 and files like it.

Columns are separated by tabs, or by any white space if the file has no tab; an empty line ends a
sentence. `-DOCSTART-` lines are passed over, and so are comments: lines of a tab-separated file
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
      words: at least one.
      labels: one for each word, or none at all where they are not known.
      line: of the first word.
      name: of the file.
    """

    words: tuple[str, ...]
    labels: tuple[str, ...] = ()
    line: int = 1
    name: str = ""

    def place(self, index: int) -> str:
        """Returns file and line of a word."""
        return f"'{self.name}' line {self.line + index}"


def read(
    path: Path, word_column: int = 0, label_column: int = -1, labelled: bool = True
) -> list[Sentence]:
    """Returns the sentences of a file.

    Args:
      path: the file.
      word_column: column of the words; negative numbers count from the end.
      label_column: column of the labels, likewise.
      labelled: whether there are labels.

    Raises:
      InputError: rows differ in their number of columns, or have too few; the line is named.
    """
    return list(from_lines(read_lines(path), str(path), word_column, label_column, labelled))


def from_lines(
    lines: Iterable[str],
    name: str,
    word_column: int = 0,
    label_column: int = -1,
    labelled: bool = True,
) -> Iterator[Sentence]:
    """Yields the sentences in the lines of a file or stream of that name; see `read`."""
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
    """Returns the columns of a line, none for an empty line, None for one to pass over."""
    line = line.rstrip("\r\n")
    if not line.strip():
        return []
    if line.split()[0] == DOCUMENT or (separator and line[0] == "#" and separator not in line):
        return None
    return line.split(separator)


def _checked(row: list[str], width: int | None, wanted: list[int], place: str) -> int:
    """Returns the number of columns; a row that has another is an error."""
    if width is not None and len(row) != width:
        raise InputError(
            f"All rows must have the same number of columns. Received {len(row)} at {place}, after "
            f"rows of {width}: {row}. Mend the row; an empty line ends a sentence."
        )
    if not all(-len(row) <= column < len(row) for column in wanted) or (
        len(wanted) == 2 and wanted[0] % len(row) == wanted[1] % len(row)
    ):
        raise InputError(
            f"A row must have a column for the word and one for its label. Received {row} at "
            f"{place} for the columns {wanted}. Set WORD_COLUMN and LABEL_COLUMN."
        )
    for column in wanted:
        if not row[column].strip():
            raise InputError(
                f"A word or label must not be empty. Received {row} at {place}. Mend the row."
            )
    return len(row)
