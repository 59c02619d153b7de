"""Reads sentences with a label for each word, one word to a line, as in CoNLL 2003.

Columns are separated by tabs, or by any white space if no row has a tab. A line that is empty, or
has only white space, ends a sentence. `-DOCSTART-` lines are skipped, and so are comments before a
sentence, such as GermEval's or CoNLL-U's: lines that begin with "#" and do not have the columns of
a word.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from albert_tf.data.row_report import RowReport
from albert_tf.data.text_lines import read_lines
from albert_tf.errors import InputError

DOCUMENT = "-DOCSTART-"
COMMENT = "follow a comment"
_KEY = re.compile(r"#\s*[\w.:-]+\s+=\s")
_SHOWN = 10  # Columns of a row to show in an error.


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
    path: Path,
    word_column: int = 0,
    label_column: int = -1,
    labelled: bool = True,
    report: RowReport | None = None,
) -> list[Sentence]:
    """Returns the sentences of a file. Words may be empty, labels may not.

    Args:
      path: the file.
      word_column: the column of the words; negative numbers count from the end.
      label_column: the column of the labels; negative numbers count from the end.
      labelled: whether to read labels.
      report: counts the sentences; it decides whether those with a broken row are left out or are
        errors, as they are without a report.

    Raises:
      InputError: rows differ in their number of columns, or have too few; or a label is empty. The
        error names the line.
    """
    report = RowReport("sentence") if report is None else report
    lines = [line.rstrip("\r\n") for line in read_lines(path)]
    wanted = [word_column, label_column] if labelled else [word_column]
    return list(_sentences(lines, str(path), wanted, report))


def _sentences(
    lines: Sequence[str], name: str, wanted: list[int], report: RowReport
) -> Iterator[Sentence]:
    separator, width = _layout(lines)
    first, reason = 1, ""
    rows: list[list[str]] = []
    for number, line in enumerate([*lines, ""], start=1):
        row = line.split(separator) if separator is None or line.strip() else []
        if row:
            if row[0].startswith(DOCUMENT) and line.split()[0] == DOCUMENT:
                continue
            if line[0] == "#" and _is_comment(line, row, separator, width, inside=bool(rows)):
                report.remark(COMMENT, f"'{name}' line {number}")
                continue
            if not rows:
                first, reason = number, ""
            rows.append(row)
            # Only a tab can separate a label from nothing.
            if len(row) != width or number == first or separator:
                place = f"'{name}' line {number}"
                if not reason and (problem := _problem(row, width, wanted, place)):
                    reason = problem[0]
                    report.broken(reason, place, problem[1])
        elif rows:
            report.rows += 1
            if not reason:
                words, *labels = [tuple([row[column] for row in rows]) for column in wanted]
                tags = labels[0] if labels else ()
                report.compare_text(words, f"'{name}' line {first}", " ".join(tags))
                yield Sentence(words, tags, first, name)
            rows = []


def _layout(lines: Sequence[str]) -> tuple[str | None, int]:
    """Returns the separator of the columns and their number, by the first row of a word.

    If all rows begin with "#", these are words.
    """
    words = [line for line in lines if line[:1] not in ("", "#") and not line.isspace()]
    rows = [line for line in words if line.split(None, 1)[0] != DOCUMENT]
    if not rows:
        rows = [line for line in lines if line[:1] == "#"]
    separator = "\t" if any("\t" in line for line in rows) else None
    return separator, len(rows[0].split(separator)) if rows else 0


def _is_comment(line: str, row: list[str], separator: str | None, width: int, inside: bool) -> bool:
    """Returns whether a line that begins with "#" is a comment and not a word.

    It is one if it has no separator. Before a sentence, it also is one if it has another number of
    columns than the words, or the form of CoNLL-U's comments, `# key = value`.
    """
    if separator and separator not in line:
        return True
    return not inside and (len(row) != width or bool(_KEY.match(line)))


def _problem(row: list[str], width: int, wanted: list[int], place: str) -> tuple[str, str] | None:
    """Returns the problem of a row in a few words, and as an error."""
    shown = str(row[:_SHOWN])[:200]
    if len(row) != width:
        return (
            f"a row has not {width} columns",
            f"All rows must have the same number of columns. Received {len(row)} at {place}, after "
            f"rows of {width}: {shown}. Correct the row; an empty line ends a sentence.",
        )
    if not all(-len(row) <= column < len(row) for column in wanted) or (
        len(wanted) == 2 and wanted[0] % len(row) == wanted[1] % len(row)
    ):
        raise InputError(
            f"A row must have one column for the word and another for its label. Received {shown} "
            f"at {place} for the columns {wanted}. Set WORD_COLUMN and LABEL_COLUMN."
        )
    if len(wanted) == 2 and not row[wanted[1]].strip():
        return (
            "a label is empty",
            f"Labels must not be empty. Received {shown} at {place}. Correct the row, or leave "
            "such sentences out with SKIP_BROKEN_ROWS=True.",
        )
    return None
