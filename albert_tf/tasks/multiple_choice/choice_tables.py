"""Reads multiple choice from tables such as SWAG's CSV: a context, a sentence start, endings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from albert_tf.data.tables import Row
from albert_tf.errors import InputError
from albert_tf.tasks.multiple_choice.data import Item, joined


class Columns(NamedTuple):
    """The names of columns; the defaults are SWAG's.

    Attributes:
      passage: the column of the context.
      question: the column of the text that each ending continues, or whose gap "_" it fills; "" for
        none.
      choices: the columns of the endings.
      label: the column of the index of the correct ending, counted from 0.
    """

    passage: str = "sent1"
    question: str = "sent2"
    choices: Sequence[str] = ("ending0", "ending1", "ending2", "ending3")
    label: str = "label"

    def texts(self) -> list[str]:
        """Returns the columns that every row must have."""
        return [self.passage, *([self.question] if self.question else []), *self.choices]


def items(rows: Iterable[Row], columns: Columns, labelled: bool) -> Iterator[Item]:
    """Yields the rows as items; trailing empty endings are dropped.

    Raises:
      InputError: a label is not a whole number; the error names the row.
    """
    for number, row in enumerate(rows):
        begin = row.fields[columns.question] if columns.question else ""
        endings = [row.fields[name] for name in columns.choices]
        while endings and not endings[-1].strip():
            endings.pop()
        yield Item(
            str(number),
            row.fields[columns.passage],
            tuple(joined(begin, ending).strip() if ending.strip() else "" for ending in endings),
            _label(row, columns.label) if labelled else None,
            origin=row.where,
        )


def _label(row: Row, column: str) -> int:
    label = row.fields[column].strip()
    if not label.isdecimal():
        raise InputError(
            "A label must be the index of a choice, counted from 0. Received "
            f"{row.fields[column]!r} in column {column!r}, {row.where}. Correct it."
        )
    return int(label)
