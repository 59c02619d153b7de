"""JSON Lines: an object a line; of documents, with the text in one field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from albert_tf.errors import InputError, closest

ENDINGS = (".jsonl", ".ndjson", ".json")


def is_json_lines(path: Path) -> bool:
    """Tells by the name, before any `.gz`, whether a file holds JSON Lines."""
    return Path(path.name.removesuffix(".gz")).suffix in ENDINGS


def read_texts(path: Path, lines: Iterator[str], field: str) -> Iterator[list[str]]:
    """Yields the lines of the text of each object.

    Args:
      path: of the file, for messages.
      lines: of the file; empty ones are passed over.
      field: holds a string, which is cut at line ends, or a list of strings.

    Raises:
      InputError: a line is not an object, or its field is missing or of another type.
    """
    for where, line in numbered(path, lines):
        entry = parse(line, where, field)
        if field not in entry:
            raise InputError(
                f"Each object must have the field that holds the text, {field!r}. Received "
                f"{where} without it. Name the field with --text_field. {closest(field, entry)}"
            )
        yield _text_lines(entry[field], field, where)


def numbered(path: Path, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yields the lines that are not empty, each with where it stands."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield f"line {number} of '{path}'", line


def parse(line: str, where: str, field: str = "text") -> dict[str, Any]:
    """Returns the object of a line.

    Args:
      line: of the file.
      where: it stands, for messages.
      field: what an object may look like, for messages.

    Raises:
      InputError: the line is no JSON object.
    """
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise InputError(
            f"A JSON Lines file must hold an object a line. Received {where}: {error}. "
            "Write each document on a line of its own."
        ) from error
    if not isinstance(entry, dict):
        raise InputError(
            f"A JSON Lines file must hold an object a line. Received {where}, a "
            f'{type(entry).__name__}. Write {{"{field}": "..."}}.'
        )
    return entry


def _text_lines(value: object, field: str, where: str) -> list[str]:
    if isinstance(value, str):
        return value.split("\n")
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return value
    raise InputError(
        f"The field {field!r} must hold a string or a list of strings. Received {where} with a "
        f"{type(value).__name__}. Leave such objects out, or name another field with --text_field."
    )
