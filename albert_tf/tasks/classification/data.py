"""Reads the texts and labels of table rows, and converts labels to numbers."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from albert_tf.data.row_report import RowReport
from albert_tf.data.tables import Row, distinct
from albert_tf.errors import InputError, closest

# The check for too many labels needs more rows than this; in fewer, all labels may well differ.
_MANY = 50

_LARGEST = float(np.finfo(np.float32).max)


# The cells of a column that says whether a text has a label.
_SWITCH = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
_SWITCH |= {name.title(): value for name, value in _SWITCH.items()}


class LabelledText(NamedTuple):
    """A row: its place in the file, its texts, its label as text ("" for none), and its group.

    It also has the texts of the columns that are kept beside answers.
    """

    where: str
    texts: tuple[str, ...]
    label: str = ""
    group: str = ""
    kept: tuple[str, ...] = ()


def labelled_texts(
    rows: Iterable[Row],
    texts: Sequence[str],
    label: str,
    report: RowReport,
    group: str = "",
    skip_labels: Collection[str] = (),
    several: bool = False,
    separator: str = "",
    keep: Sequence[str] = (),
) -> Iterator[LabelledText]:
    """Yields the rows as texts, which may be empty, with labels, which may not.

    Args:
      rows: the rows of a table.
      texts: the names of one or two columns.
      label: the column of the label; "" for rows to predict.
      report: takes the rows that are left out, and those that repeat the texts of others.
      group: the name of the group that the rows belong to.
      skip_labels: the labels whose rows are left out.
      several: whether the column has several labels or none; see `labels_in`.
      separator: what separates several labels.
      keep: the columns that are kept beside answers.

    Raises:
      InputError: a label is empty, or several are not a list of names, and the report does not
        leave broken rows out.
    """
    compare = report.compare_text
    only = texts[0] if len(texts) == 1 else None
    looks_at_labels = label and (several or skip_labels)
    for where, fields in rows:
        value = fields[label] if label else ""
        names: Sequence[str] = ()
        if looks_at_labels:
            try:
                names = labels_in(value, separator, where) if several else (value,)
            except InputError as error:
                report.broken("its labels are not a list of names", where, str(error))
                continue
        if label and not several and not value.strip():
            report.broken(
                f"the label in column {label!r} is empty",
                where,
                f"A label must not be empty. Received an empty field in column {label!r}, "
                f"{where}. Fill it in, or leave such rows out with SKIP_BROKEN_ROWS=True.",
            )
        elif names and (skipped := [name for name in names if name in skip_labels]):
            report.leave_out(f"SKIP_LABELS has the label {skipped[0]!r}", where)
        else:
            if only is None:
                values = tuple([fields[column] for column in texts])
            else:
                values = (fields[only],)
            if label:
                compare(values, where, value)
            kept = tuple([fields[name] for name in keep]) if keep else ()
            yield LabelledText(where, values, value, group, kept)


def joined(
    rows: Iterable[Row], columns: Sequence[str], name: str, numbers: bool, report: RowReport
) -> Iterator[Row]:
    """Yields rows whose labels are in several columns with one cell for all, a JSON list.

    Args:
      rows: the rows of a table.
      columns: the columns of the labels or numbers.
      name: the name of the cell.
      numbers: whether the cells are numbers; otherwise they are 0 or 1 for the label of their name.
      report: takes the rows that are left out.

    Raises:
      InputError: a cell is neither 0 nor 1, and the report does not leave broken rows out.
    """
    for where, fields in rows:
        cells = [fields[column].strip() for column in columns]
        if numbers:
            values = [float(cell) if is_number(cell) else cell for cell in cells]
            yield where, {**fields, name: json.dumps(values)}
            continue
        wrong = [column for column, cell in zip(columns, cells) if cell not in _SWITCH]
        if wrong:
            report.broken(
                f"the column {wrong[0]!r} is neither 0 nor 1",
                where,
                f"A column of a label must have 0 or 1. Received {fields[wrong[0]]!r:.80} in "
                f"column {wrong[0]!r}, {where}. Correct it, or leave such rows out with "
                "SKIP_BROKEN_ROWS=True.",
            )
            continue
        names = [column for column, cell in zip(columns, cells) if _SWITCH[cell]]
        yield where, {**fields, name: json.dumps(names)}


def labels_in(cell: str, separator: str = "", where: str = "") -> tuple[str, ...]:
    """Returns the distinct labels of a cell: a JSON list, or names between separators.

    Without a separator, other cells have one label. An empty cell has none.

    Raises:
      InputError: the cell is a JSON list with an entry that is not a name.
    """
    names = _json_list(cell)
    if names is None:
        parts = cell.split(separator) if separator else [cell]
        names = [name.strip() for name in parts]
    elif not all(type(name) in (str, int) for name in names):
        raise InputError(
            f"A list of labels must contain names only. Received {cell:.80} in {where}. Correct "
            "it, or leave such rows out with SKIP_BROKEN_ROWS=True."
        )
    return tuple(dict.fromkeys(str(name) for name in names if name != ""))


def _json_list(cell: str) -> list | None:
    """Returns the list that a cell of JSON Lines is, or None if it is text."""
    if not cell.lstrip().startswith("["):
        return None
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):  # A label may begin with a bracket.
        return None


def is_number(label: str) -> bool:
    """Returns whether a label is a finite number in float32."""
    try:
        return abs(float(label)) <= _LARGEST
    except ValueError:
        return False


def are_numbers(labels: Sequence[str]) -> bool:
    """Returns whether labels are for regression: all are numbers, and some are not whole."""
    return all(map(is_number, labels)) and any(not float(label).is_integer() for label in labels)


def find_labels(rows: Sequence[LabelledText], column: str) -> tuple[str, ...]:
    """Returns the distinct labels of training rows, in order.

    Raises:
      InputError: there is only one label, or there are too many for a column of classes.
    """
    labels = distinct(row.label for row in rows)
    if len(labels) < 2:
        raise InputError(
            "A classifier must have at least two labels. Received only "
            f"{labels} in column {column!r} of the training data. Check the column."
        )
    if len(rows) > _MANY and len(labels) > len(rows) // 2:
        raise InputError(
            "Labels for classification must repeat. Received "
            f"{len(labels)} distinct labels in {len(rows)} rows of column {column!r}, such as "
            f"{labels[0]!r}. Name the column of the labels, or set PROBLEM=regression for numbers."
        )
    return tuple(labels)


def given_labels(labels: Sequence[str], separator: str = "") -> tuple[str, ...]:
    """Returns the labels of the config.

    Raises:
      InputError: one of them has the separator, so that no cell could have it.
    """
    for label in map(str, labels):
        if separator and separator in label:
            raise InputError(
                "LABEL_SEPARATOR must not occur in a label. Received "
                f"LABEL_SEPARATOR={separator!r} and the label {label!r:.80}. Choose another one, "
                "or write cells as JSON lists."
            )
    return tuple(map(str, labels))


def find_label_sets(rows: Sequence[LabelledText], column: str, separator: str) -> tuple[str, ...]:
    """Returns the distinct labels of training rows that have several labels or none, in order.

    Raises:
      InputError: cells are not lists although there is no separator, no row has a label, or there
        are too many labels.
    """
    if not separator and all(_json_list(row.label) is None for row in rows):
        raise InputError(
            "Several labels must be a JSON list, or have a separator. Received no list in column "
            f"{column!r} of the training data, and LABEL_SEPARATOR=''. Set it, such as to ';'."
        )
    found = [name for row in rows for name in labels_in(row.label, separator)]
    labels = distinct(found)
    if not labels:
        raise InputError(
            f"Training data must have labels. Received {len(rows)} rows whose column {column!r} "
            "has no label. Check the name of the column and the separator."
        )
    if len(rows) > _MANY and len(labels) > len(found) // 2:
        raise InputError(
            f"Labels must repeat. Received {len(labels)} distinct labels, {len(found)} in all, in "
            f"column {column!r}, such as {labels[0]!r:.80}. Check LABEL and LABEL_SEPARATOR."
        )
    return tuple(labels)


def classes(rows: Sequence[LabelledText], labels: Sequence[str]) -> np.ndarray:
    """Returns the index of each row's label, int32 [N].

    Raises:
      InputError: a label is unknown.
    """
    index = {label: i for i, label in enumerate(labels)}
    for row in rows:
        if row.label not in index:
            raise _unknown(row.label, row.where, labels)
    return np.array([index[row.label] for row in rows], np.int32)


def _unknown(label: str, where: str, labels: Sequence[str]) -> InputError:
    return InputError(
        "A label must be one of the model's labels, which come from its weights, LABELS or "
        f"the training data. Received {label!r} in {where}. {closest(label, labels)}"
    )


def label_sets(
    rows: Sequence[LabelledText], labels: Sequence[str], separator: str = ""
) -> np.ndarray:
    """Returns 1 for each label that a row has, and 0 for the others, int8 [N, C].

    Raises:
      InputError: a label is unknown.
    """
    index = {label: i for i, label in enumerate(labels)}
    targets = np.zeros([len(rows), len(labels)], np.int8)
    for number, row in enumerate(rows):
        for name in labels_in(row.label, separator, row.where):
            if name not in index:
                raise _unknown(name, row.where, labels)
            targets[number, index[name]] = 1
    return targets


def numbers(
    rows: Sequence[LabelledText], names: Sequence[str] = (), separator: str = ""
) -> np.ndarray:
    """Returns each row's label as a number, float32 [N], or as several numbers, [N, C].

    Args:
      rows: the rows.
      names: the names of the numbers of a row, if there are several.
      separator: what separates several numbers; "" if cells are JSON lists.

    Raises:
      InputError: a label is not a number, or a row has not as many numbers as there are names.
    """
    cells = [numbers_in(row.label, separator) for row in rows]
    count = max(len(names), 1)
    for row, cell in zip(rows, cells):
        for value in cell:
            if not is_number(value):
                raise InputError(
                    "A label for regression must be a number. Received "
                    f"{value!r} in {row.where}. Correct it, or set PROBLEM=classification."
                )
        if len(cell) != count:
            raise InputError(
                f"Each row must have {count} number(s), as the model has. Received {len(cell)} in "
                f"{row.where}: {row.label!r:.80}. Correct it, or set LABEL_SEPARATOR."
            )
    values = np.array([[float(value) for value in cell] for cell in cells], np.float32)
    return values.reshape(len(rows), count) if names else values.reshape(len(rows))


def numbers_in(cell: str, separator: str = "") -> list[str]:
    """Returns the numbers of a cell as text: of a JSON list, or between separators."""
    values = _json_list(cell)
    if values is not None:
        return [json.dumps(value) for value in values]
    return [part.strip() for part in cell.split(separator)] if separator else [cell]


def names_of_numbers(rows: Sequence[LabelledText], separator: str = "") -> tuple[str, ...]:
    """Returns a name for each number of the first row, as transformers names them."""
    count = len(numbers_in(rows[0].label, separator)) if rows else 1
    return tuple(f"LABEL_{index}" for index in range(count))
