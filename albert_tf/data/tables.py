"""Rows of CSV, TSV, JSON Lines and TFDS data with named columns; errors name file and line.

CSV follows RFC 4180: fields in double quotes may hold commas and line ends. TSV has no quotes, as
in GLUE: a quote is a character of the text, and a line is a row. Text files (.txt) are TSV without
a line of names: their columns are those that the reader asks for, in that order.
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
    """A row: where it stands, and its fields as text by the name of the column."""

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
      path: ends in .csv, .tsv, .txt, .jsonl, .ndjson or .json, and may end in .gz besides.
      columns: that the rows must have.
      header: names of the columns if the file does not begin with them.
      skipped: takes what is wrong with rows that are left out; None makes that an error.

    Raises:
      InputError: the file has another ending, is not UTF-8, lacks a column, or has a broken row.
    """
    kind = Path(path.name.removesuffix(".gz")).suffix
    if kind not in _ENDINGS:
        raise InputError(
            f"A table must end in one of {', '.join(_ENDINGS)}, with or without .gz. Received "
            f"'{path}'. Rename it, or convert it."
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

    Class labels come by their names; -1, the label of unlabelled sets, comes as "".

    Raises:
      InputError: the data set, its split or a column is not there. Nothing is downloaded.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise InputError(
            f"A TFDS name needs a package that is not installed ({error}). Received {name!r}. "
            "pip install tensorflow-datasets"
        ) from error
    try:
        builder = tfds.builder(name, data_dir=data_dir or None)
        examples = tfds.as_numpy(builder.as_dataset(split=split))
    except Exception as error:  # The package raises its own, and ValueError and AssertionError.
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
    """Yields where a row stands, its fields, and what is wrong with it, "" for nothing."""
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
                f"({', '.join(names)}). Received {len(cells)} in {where}. Mend the row; a field "
                "that holds the separator needs double quotes in CSV and cannot stand in TSV."
            )
        yield where, dict(zip(names, cells)), problem


def _check_header(path: Path, names: Sequence[str]) -> None:
    twice = [name for name in names if list(names).count(name) > 1]
    if twice:
        raise InputError(
            f"Columns must have names of their own. Received {twice[0]!r} twice in line 1 of "
            f"'{path}'. The first line must name the columns."
        )


def _cells(path: Path, kind: str) -> Iterator[tuple[int, list[str]]]:
    if kind != ".csv":
        for number, line in enumerate(read_lines(path), start=1):
            if line.strip("\r\n"):
                yield number, line.rstrip("\r\n").split("\t")
        return
    reader = csv.reader(read_lines(path), strict=True)
    begin = 1  # `line_num` is the last line of a row, and a row may have several.
    try:
        for cells in reader:
            if cells:
                yield begin, cells
            begin = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"A CSV file must follow RFC 4180. Received '{path}', whose row at line {begin} does "
            f"not: {error}. Check its double quotes."
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
    """Returns the different values, numbers by size and before other text, text by alphabet."""

    def key(value: str) -> tuple[bool, float, str]:
        try:
            return False, float(value), value
        except ValueError:
            return True, 0.0, value

    return sorted(set(values), key=key)
