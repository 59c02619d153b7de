"""Reads sentences with a label for each word, one word to a line, as in CoNLL 2003.

Columns are separated by tabs, or by any white space if no row has a tab. A line that is empty, or
has only white space, ends a sentence. `-DOCSTART-` lines are skipped, and so are comments before a
sentence, such as GermEval's or CoNLL-U's: lines that begin with "#" and do not have the columns of
a word.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from albert_tf.data.row_report import RowReport
from albert_tf.data.text_lines import read_lines
from albert_tf.errors import InputError
from albert_tf.tasks.tagging.sentence import Sentence

DOCUMENT = "-DOCSTART-"
COMMENT = "follow a comment"
_KEY = re.compile(r"#\s*[\w.:-]+\s+=\s")
_SHOWN = 10  # Columns of a row to show in an error.


def read(
    path: Path,
    word_column: int = 0,
    label_column: int = -1,
    labelled: bool = True,
    report: RowReport | None = None,
) -> Iterator[Sentence]:
    """Yields the sentences of a file, which is read twice. Words may be empty, labels may not.

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
    wanted = [word_column, label_column] if labelled else [word_column]
    separator, width = _layout(_lines(path))
    first, reason, name = 1, "", str(path)
    rows: list[list[str]] = []
    for number, line in enumerate(itertools.chain(_lines(path), [""]), start=1):
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
                if labelled:
                    report.compare_text(words, f"'{name}' line {first}", " ".join(tags))
                yield Sentence(words, tags, first, name)
            rows = []


def width(path: Path) -> int:
    """Returns the number of columns of a file."""
    return _layout(_lines(path))[1]


def _lines(path: Path) -> Iterator[str]:
    return (line.rstrip("\r\n") for line in read_lines(path))


def _layout(lines: Iterable[str]) -> tuple[str | None, int]:
    """Returns the separator of the columns and their number, by the first row of a word.

    If all rows begin with "#", these are words.
    """
    first, has_tab = {}, {True: False, False: False}  # By whether the line begins with "#".
    for line in lines:
        begins = line[:1] == "#"
        if begins or (line and not line.isspace() and line.split(None, 1)[0] != DOCUMENT):
            first.setdefault(begins, line)
            has_tab[begins] |= "\t" in line
    row = first.get(False, first.get(True))
    separator = "\t" if has_tab[False not in first] else None
    return separator, len(row.split(separator)) if row else 0


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
