"""Reads multiple choice from tables such as SWAG's CSV: a context, a sentence start, endings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from albert_tf.data.row_report import RowReport
from albert_tf.data.tables import Row
from albert_tf.tasks.multiple_choice.data import Item, joined

_DIGITS = 10  # Python refuses to convert thousands of digits.


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


def items(
    rows: Iterable[Row],
    columns: Columns,
    labelled: bool,
    report: RowReport,
    keep: Sequence[str] = (),
) -> Iterator[Item]:
    """Yields the rows as items with the columns to keep; trailing empty endings are dropped.

    Raises:
      InputError: a label is not a whole number, and the report does not leave broken rows out.
    """
    for number, row in enumerate(rows):
        begin = row.fields[columns.question] if columns.question else ""
        endings = [row.fields[name] for name in columns.choices]
        while endings and not endings[-1].strip():
            endings.pop()
        label = row.fields[columns.label].strip() if labelled else ""
        if labelled and not (label.isdecimal() and len(label) < _DIGITS):
            report.broken(
                "the label is not a whole number" if label else "the label is empty",
                row.where,
                "A label must be the index of a choice, counted from 0. Received "
                f"{label[:80]!r} in column {columns.label!r}, {row.where}. Correct it.",
            )
            continue
        yield Item(
            str(number),
            row.fields[columns.passage],
            tuple(
                [
                    choice.strip() if text.strip() else ""
                    for text, choice in zip(endings, joined(begin, endings))
                ]
            ),
            int(label) if labelled else None,
            origin=row.where,
            kept=tuple([row.fields[name] for name in keep]),
        )
