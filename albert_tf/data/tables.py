"""Reads rows with named columns from CSV, TSV, JSON Lines and TFDS; errors name file and line.

CSV follows RFC 4180: fields in double quotes may contain commas and line ends. TSV has no quoting,
as in GLUE: a quote is an ordinary character, and each line is a row. Text files (.txt) are TSV
without a header line: their columns are the ones that the reader requests, in that order.

Blank lines are left out, except in files to predict, where each is a row of empty fields, so that
answers keep the numbers of their lines.
"""

from __future__ import annotations

import csv
import functools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from albert_tf.data import json_lines
from albert_tf.data.row_report import RowReport
from albert_tf.data.text_lines import read_lines
from albert_tf.errors import InputError, closest
from albert_tf.files import longest_line

_ENDINGS = (".csv", ".tsv", ".txt", *json_lines.ENDINGS)

# The column of the ids of rows, if a table has it.
ID = "id"

_HEADER = (
    " The first line must have the names of the columns; if the file has no such line, set HEADER "
    "to the names, such as HEADER=id,label,text."
)
_NAMES, _LONGEST = 20, 60  # The column names, and their characters, that an error shows.


class Row(NamedTuple):
    """A row: its location ("line 3 of 'file'") and its fields as text, by column name."""

    where: str
    fields: dict[str, str]


class _Broken(NamedTuple):
    """A row that cannot be read: why in a few words, and as an error; "" if it is blank."""

    where: str
    reason: str = ""
    problem: Callable[[], str] = str  # Looking for similar names in all columns takes time.


def read(
    path: Path,
    columns: Sequence[str],
    header: Sequence[str] = (),
    report: RowReport | None = None,
    to_predict: bool = False,
) -> Iterator[Row]:
    """Yields the rows of a file.

    Args:
      path: a .csv, .tsv, .txt, .jsonl, .ndjson or .json file, optionally with .gz appended.
      columns: the columns that the rows must have.
      header: the column names, if the file does not begin with a header line.
      report: counts the rows; it decides whether broken rows are left out or are errors, as they
        are without a report.
      to_predict: whether a blank line is a row of empty fields; otherwise it is left out.

    Raises:
      InputError: the file has another extension, is not UTF-8, lacks a column, or has a broken row.
    """
    kind = Path(path.name.removesuffix(".gz")).suffix
    if kind not in _ENDINGS:
        raise InputError(
            f"The name of a table must end in one of {', '.join(_ENDINGS)}, with or without .gz. "
            f"Received '{path}'. Rename or convert the file."
        )
    report = RowReport() if report is None else report
    is_json = json_lines.is_json_lines(path)
    for row in _json_rows(path, columns) if is_json else _delimited(path, kind, header, columns):
        report.rows += 1
        if type(row) is Row:
            yield row
        elif row.reason:
            report.broken(row.reason, row.where, "" if report.skip_broken else row.problem())
        elif to_predict:
            yield Row(row.where, dict.fromkeys(columns, ""))
        else:
            report.leave_out("the line is blank", row.where)


def _without(where: str, columns: Sequence[str], found: Iterable[str], remedy: str = "") -> str:
    """Returns the error for a row that lacks one of the columns."""
    missing = next(name for name in columns if name not in found)
    return (
        f"A row must have the columns {list(columns)}. Received {where} without {missing!r}. "
        f"{closest(missing, found)}{remedy}"
    )


def without_repeats(rows: Iterable[Row], report: RowReport, to_predict: bool) -> Iterator[Row]:
    """Yields the rows without those that repeat an earlier one, id and all.

    Rows without a column "id" are all yielded, and so are rows to predict, each of which gets an
    answer.
    """
    if to_predict:
        yield from rows
        return
    for row in rows:
        where, fields = row
        name = fields.get(ID)
        if not name or not report.is_repeated(name, fields.values(), where):
            yield row


def read_tfds(
    name: str, split: str, data_dir: str, columns: Sequence[str], report: RowReport | None = None
) -> Iterator[Row]:
    """Yields the rows of a data set that tensorflow-datasets has prepared on this machine.

    Class labels are returned as their names; -1, the label of unlabelled sets, is returned as "".

    Raises:
      InputError: the data set, its split or a column does not exist, or a text is not UTF-8.
        Nothing is downloaded.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise InputError(
            f"A TFDS name needs a package that is not installed ({error}). Received {name!r}. "
            "Run pip install tensorflow-datasets."
        ) from error
    if not hasattr(tfds, "builder"):  # It logs what it cannot import, and goes on.
        raise InputError(
            "TensorFlow Datasets needs Python 3.11 or later beside TensorFlow 2.20: for 3.10, "
            "tensorflow-metadata needs an older protobuf. Received "
            f"{name!r}. Use another Python version, or pass files."
        )
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
    if not all(column in features for column in columns):
        raise InputError(_without(f"the TFDS data set {name!r}", columns, features))
    report = RowReport() if report is None else report
    for number, example in enumerate(examples):
        report.rows += 1
        where = f"example {number} of {name}/{split}"
        try:
            fields = {key: _tfds_text(features[key], value) for key, value in example.items()}
        except UnicodeDecodeError as error:
            report.broken(
                "it is not UTF-8",
                where,
                f"A text must be UTF-8. Received {where}: {error.reason}. Correct the data set, or "
                "leave such rows out with SKIP_BROKEN_ROWS.",
            )
        else:
            yield Row(where, fields)


def _tfds_text(feature: Any, value: Any) -> str:
    if hasattr(feature, "int2str"):
        return "" if value < 0 else feature.int2str(int(value))
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _delimited(
    path: Path, kind: str, header: Sequence[str], columns: Sequence[str]
) -> Iterator[Row | _Broken]:
    names: Sequence[str] = ()
    if kind == ".txt":
        names = columns
    width, is_complete = len(names), True
    file = f"of '{path}'"  # Formatting a path takes as long as the rest of a row.
    for number, cells in _cells(path, kind):
        where = f"line {number} {file}"
        # A line of white space is blank, unless it has a separator between all columns.
        if (len(cells) != width or width < 2) and not any(map(str.strip, cells)):
            if names:
                yield _Broken(where)
        elif not names:
            begins_with_names = not header or set(columns) <= set(cells)
            names = cells if begins_with_names else header
            width, is_complete = len(names), set(columns) <= set(names)
            if begins_with_names:
                _check_header(path, names)
            else:
                yield _row(where, cells, names, is_complete, columns)
        elif len(cells) == width and is_complete:
            yield Row(where, dict(zip(names, cells)))
        else:
            yield _row(where, cells, names, is_complete, columns)


def _row(
    where: str, cells: list[str], names: Sequence[str], is_complete: bool, columns: Sequence[str]
) -> Row | _Broken:
    if len(cells) != len(names):
        problem = functools.partial(_other_width, where, len(cells), names)
        return _Broken(where, f"it has not {len(names)} fields", problem)
    if not is_complete:
        return _lacking(where, columns, names, _HEADER)
    return Row(where, dict(zip(names, cells)))


def _other_width(where: str, width: int, names: Sequence[str]) -> str:
    """Returns the error for a row of another number of fields than the header."""
    shown = str([name[:_LONGEST] for name in names[:_NAMES]])[1:-1]
    return (
        f"A row must have as many fields as the header, {len(names)} ({shown}). Received "
        f"{width} in {where}. Correct the row; a field that contains the separator "
        "needs double quotes in CSV and is impossible in TSV."
    )


def _lacking(where: str, columns: Sequence[str], found: Iterable[str], remedy: str = "") -> _Broken:
    problem = functools.partial(_without, where, columns, found, remedy)
    return _Broken(where, "it lacks a column", problem)


def _check_header(path: Path, names: Sequence[str]) -> None:
    # Separators at the end of the line give names that are empty.
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise InputError(
            f"Column names must be unique. Received {twice[0]!r:.80} twice in line 1 of '{path}'. "
            "The first line must be a header with the column names."
        )


def _cells(path: Path, kind: str) -> Iterator[tuple[int, list[str]]]:
    """Yields the fields of each row, after the number of its first line."""
    if kind != ".csv":
        for number, line in enumerate(read_lines(path, newline="\n"), start=1):
            yield number, line.rstrip("\r\n").split("\t")
        return
    # Python's own limit is 131,072 characters. A quote without an end makes a field of all that
    # follows.
    csv.field_size_limit(longest_line())
    reader = csv.reader(read_lines(path), strict=True)
    begin = 1  # `line_num` is the last line of a row, and a row can span several lines.
    try:
        for cells in reader:
            yield begin, cells
            begin = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"A CSV file must follow RFC 4180. Received '{path}', in which the row at line {begin} "
            f"does not: {error}. Check its double quotes."
        ) from error


def _json_rows(path: Path, columns: Sequence[str]) -> Iterator[Row | _Broken]:
    wanted = set(columns)
    for where, line in json_lines.numbered(path, read_lines(path)):
        if not line.strip():
            yield _Broken(where)
            continue
        try:
            entry = json_lines.parse(line, where)
            fields = {k: v if type(v) is str else _json_text(v) for k, v in entry.items()}
        except InputError as error:
            yield _Broken(where, "it is not a JSON object", functools.partial(str, error))
            continue
        if wanted <= fields.keys():
            yield Row(where, fields)
        else:
            yield _lacking(where, columns, fields)


def _json_text(value: Any) -> str:
    return "" if value is None else json.dumps(value)


def distinct(values: Iterable[str]) -> list[str]:
    """Returns the distinct values: numbers first in ascending order, then text alphabetically."""

    def key(value: str) -> tuple[bool, float, str]:
        try:
            return False, float(value), value
        except ValueError:
            return True, 0.0, value

    return sorted(set(values), key=key)
