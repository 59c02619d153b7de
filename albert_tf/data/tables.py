"""Reads rows with named columns from CSV, TSV, JSON Lines and TFDS; errors name file and line.

CSV follows RFC 4180: fields in double quotes may contain commas and line ends. TSV has no quoting,
as in GLUE: a quote is an ordinary character, and each line is a row. Text files (.txt) are TSV
without a header line: their columns are the ones that the reader requests, in that order.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from albert_tf.data import json_lines
from albert_tf.data.text_lines import read_lines
from albert_tf.errors import InputError, closest

_ENDINGS = (".csv", ".tsv", ".txt", *json_lines.ENDINGS)


class Row(NamedTuple):
    """A row: its location ("line 3 of 'file'") and its fields as text, by column name."""

    where: str
    fields: dict[str, str]


def read(
    path: Path,
    columns: Sequence[str],
    header: Sequence[str] = (),
    skipped: list[str] | None = None,
) -> Iterator[Row]:
    """Yields the rows of a file.

    Args:
      path: a .csv, .tsv, .txt, .jsonl, .ndjson or .json file, optionally with .gz appended.
      columns: the columns that the rows must have.
      header: the column names, if the file does not begin with a header line.
      skipped: a list that collects the locations of broken rows, which are then left out; None
        makes a broken row an error.

    Raises:
      InputError: the file has another extension, is not UTF-8, lacks a column, or has a broken row.
    """
    kind = Path(path.name.removesuffix(".gz")).suffix
    if kind not in _ENDINGS:
        raise InputError(
            f"The name of a table must end in one of {', '.join(_ENDINGS)}, with or without .gz. "
            f"Received '{path}'. Rename or convert the file."
        )
    rows = (
        _json_rows(path)
        if json_lines.is_json_lines(path)
        else _delimited(path, kind, header, columns)
    )
    for where, fields, problem in rows:
        missing = [name for name in columns if name not in fields]
        if not problem and missing:
            problem = (
                f"A row must have the columns {list(columns)}. Received {where} without "
                f"{missing[0]!r}. {closest(missing[0], fields)}"
            )
        if not problem:
            yield Row(where, fields)
        elif skipped is None:
            raise InputError(problem)
        else:
            skipped.append(where)


def read_tfds(name: str, split: str, data_dir: str, columns: Sequence[str]) -> Iterator[Row]:
    """Yields the rows of a data set that tensorflow-datasets has prepared on this machine.

    Class labels are returned as their names; -1, the label of unlabelled sets, is returned as "".

    Raises:
      InputError: the data set, its split or a column does not exist. Nothing is downloaded.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise InputError(
            f"A TFDS name needs a package that is not installed ({error}). Received {name!r}. "
            "Run pip install tensorflow-datasets."
        ) from error
    try:
        builder = tfds.builder(name, data_dir=data_dir or None)
        examples = tfds.as_numpy(builder.as_dataset(split=split))
    except Exception as error:  # Besides its own errors, TFDS raises ValueError, AssertionError.
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            "A TFDS data set must be prepared on this machine. Received "
            f"{name!r}, split {split!r}, in {data_dir or 'the default folder'}: {reason}. Prepare "
            f"it with `tfds build {name}`, or name its folder with TFDS_DIR."
        ) from error
    features = builder.info.features
    for column in columns:
        if column not in features:
            raise InputError(
                f"A row must have the columns {list(columns)}. Received the TFDS data set {name!r} "
                f"without {column!r}. {closest(column, features)}"
            )
    for number, example in enumerate(examples):
        fields = {key: _tfds_text(features[key], value) for key, value in example.items()}
        yield Row(f"example {number} of {name}/{split}", fields)


def _tfds_text(feature: Any, value: Any) -> str:
    if hasattr(feature, "int2str"):
        return "" if value < 0 else feature.int2str(int(value))
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _delimited(
    path: Path, kind: str, header: Sequence[str], columns: Sequence[str]
) -> Iterator[tuple[str, dict[str, str], str]]:
    """Yields the location of each row, its fields, and the problem with it ("" if none)."""
    names: Sequence[str] = ()
    if kind == ".txt":
        names = columns
    for number, cells in _cells(path, kind):
        if not names:
            begins_with_names = not header or set(columns) <= set(cells)
            names = cells if begins_with_names else header
            if begins_with_names:
                _check_header(path, names)
                continue
        where, problem = f"line {number} of '{path}'", ""
        if len(cells) != len(names):
            problem = (
                f"A row must have as many fields as the header, {len(names)} "
                f"({', '.join(names)}). Received {len(cells)} in {where}. Correct the row; a field "
                "that contains the separator needs double quotes in CSV and is impossible in TSV."
            )
        yield where, dict(zip(names, cells)), problem


def _check_header(path: Path, names: Sequence[str]) -> None:
    twice = [name for name in names if list(names).count(name) > 1]
    if twice:
        raise InputError(
            f"Column names must be unique. Received {twice[0]!r} twice in line 1 of '{path}'. "
            "The first line must be a header with the column names."
        )


def _cells(path: Path, kind: str) -> Iterator[tuple[int, list[str]]]:
    if kind != ".csv":
        for number, line in enumerate(read_lines(path), start=1):
            if line.strip("\r\n"):
                yield number, line.rstrip("\r\n").split("\t")
        return
    reader = csv.reader(read_lines(path), strict=True)
    begin = 1  # `line_num` is the last line of a row, and a row can span several lines.
    try:
        for cells in reader:
            if cells:
                yield begin, cells
            begin = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"A CSV file must follow RFC 4180. Received '{path}', in which the row at line {begin} "
            f"does not: {error}. Check its double quotes."
        ) from error


def _json_rows(path: Path) -> Iterator[tuple[str, dict[str, str], str]]:
    for where, line in json_lines.numbered(path, read_lines(path)):
        try:
            entry = json_lines.parse(line, where)
        except InputError as error:
            yield where, {}, str(error)
        else:
            yield where, {key: _json_text(value) for key, value in entry.items()}, ""


def _json_text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def distinct(values: Iterable[str]) -> list[str]:
    """Returns the distinct values: numbers first in ascending order, then text alphabetically."""

    def key(value: str) -> tuple[bool, float, str]:
        try:
            return False, float(value), value
        except ValueError:
            return True, 0.0, value

    return sorted(set(values), key=key)
