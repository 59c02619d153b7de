"""Reads JSON Lines: one object per line; for documents, one field of the object has the text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError, closest
from albert_tf.files import parse_json

ENDINGS = (".jsonl", ".ndjson", ".json")


def is_json_lines(path: Path) -> bool:
    """Returns whether the file name, ignoring any `.gz`, is that of a JSON Lines file."""
    return Path(path.name.removesuffix(".gz")).suffix in ENDINGS


def read_texts(
    path: Path, lines: Iterable[str], field: str, report: RowReport | None = None
) -> Iterator[list[str]]:
    """Yields the lines of text of each object that has text.

    Args:
      path: the file, for messages.
      lines: the lines of the file.
      field: the field with the text: a string, which is split at line ends, or a list of strings.
      report: counts the lines, and takes those that are blank or have a blank text.

    Raises:
      InputError: a line is not an object, or the field is missing or of another type.
    """
    report = RowReport() if report is None else report
    for where, line in numbered(path, lines):
        report.rows += 1
        if not line or line.isspace():
            report.leave_out("the line is blank", where)
            continue
        entry = parse(line, where, field)
        if field not in entry:
            raise InputError(
                f"Each object must have its text in the field {field!r}. Received {where} without "
                f"this field. Name the field with --text_field. {closest(field, entry)}"
            )
        text = _text_lines(entry[field], field, where)
        if any(map(str.strip, text)):
            yield text
        else:
            report.leave_out("its text is blank", where)


def numbered(path: Path, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yields the lines, each preceded by its location ("line 3 of 'file'")."""
    file = f"of '{path}'"  # Formatting a path takes as long as everything else.
    for number, line in enumerate(lines, start=1):
        yield f"line {number} {file}", line


def parse(line: str, where: str, field: str = "text") -> dict[str, Any]:
    """Parses the object of a line.

    Args:
      line: a line of the file.
      where: the location of the line, for error messages.
      field: a field name for the example in error messages.

    Raises:
      InputError: the line is not a JSON object.
    """
    try:
        entry = parse_json(line)
    except ValueError as error:
        raise InputError(
            f"A JSON Lines file must have one object per line. Received {where}: {error}. "
            "Write each document on a separate line."
        ) from error
    if not isinstance(entry, dict):
        raise InputError(
            f"A JSON Lines file must have one object per line. Received {where}, which is of type "
            f'{type(entry).__name__}. Write {{"{field}": "..."}}.'
        )
    return entry


def _text_lines(value: object, field: str, where: str) -> list[str]:
    if isinstance(value, str):
        return value.split("\n")
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return value
    raise InputError(
        f"The field {field!r} must be a string or a list of strings. Received {where} with a value "
        f"of type {type(value).__name__}. Leave out such objects, or name another field with "
        "--text_field."
    )
