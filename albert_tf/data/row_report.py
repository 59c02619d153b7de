"""`RowReport`: what became of each row of a data set, so that no row is lost without a word."""

from __future__ import annotations

import dataclasses
import sys
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np

from albert_tf.errors import InputError

SHOWN = 10  # Places named for each reason; the others are counted.
_LONGEST = 40  # Characters of a label in a remark.
REPEATED = "repeat the text of an earlier one"


@dataclasses.dataclass
class Places:
    """The number of rows that something is true of, and the places of the first ones."""

    count: int = 0
    first: list[str] = dataclasses.field(default_factory=list)

    def add(self, place: str) -> None:
        """Counts a row."""
        self.count += 1
        if self.count <= SHOWN:
            self.first.append(place)

    def __str__(self) -> str:
        more = self.count - len(self.first)
        return ", ".join(self.first) + (f" and {more:,} more" if more else "")


class RowReport:
    """Counts the rows of a data set. Readers add each row, and say why if it gives no example.

    Args:
      unit: what a row is, such as "question".
      skip_broken: whether `broken` leaves a row out, instead of raising an error.

    Attributes:
      rows: the number of rows.
      part: the number of rows that are used, if others of the file are held out; else None.
      left_out: the rows that give no example, by reason.
    """

    def __init__(self, unit: str = "row", skip_broken: bool = False) -> None:
        self.unit = unit
        self.skip_broken = skip_broken
        self.rows = 0
        self.part: int | None = None
        self.left_out: dict[str, Places] = defaultdict(Places)
        self._remarks: dict[str, Places] = defaultdict(Places)
        # The hash of the texts, the label and the place of each row that is not compared yet.
        self._texts: list[tuple[int, Any, str]] = []
        self._ids: dict[str, tuple[int, str]] = {}

    @property
    def remarks(self) -> dict[str, Places]:
        """Other rows to know about, by what is true of them."""
        self._compare_texts()
        return self._remarks

    @property
    def kept(self) -> int:
        """The number of rows that were not left out."""
        return self.rows - sum(places.count for places in self.left_out.values())

    def leave_out(self, reason: str, place: str) -> None:
        """Counts a row as left out; it must be counted in `rows` too."""
        self.left_out[reason].add(place)

    def broken(self, reason: str, place: str, problem: str) -> None:
        """Leaves a row out for `reason`, or raises an error.

        Raises:
          InputError: `skip_broken` is false; its text is `problem`.
        """
        if not self.skip_broken:
            raise InputError(problem)
        self.leave_out(reason, place)

    def add(self, other: RowReport) -> None:
        """Adds the rows of another report, such as that of another file."""
        self.rows += other.rows
        for mine, others in (self.left_out, other.left_out), (self.remarks, other.remarks):
            for reason, places in others.items():
                mine[reason].count += places.count
                mine[reason].first = [*mine[reason].first, *places.first][:SHOWN]

    def remark(self, remark: str, place: str) -> None:
        """Counts a row for something that is true of it."""
        self._remarks[remark].add(place)

    def add_remarks(self, remarks: Mapping[str, Mapping[str, Any]]) -> None:
        """Adds the remarks of another report, as `to_dict` returns them."""
        for remark, other in remarks.items():
            places = self._remarks[remark]
            places.first += other["first"][: SHOWN - len(places.first)]
            places.count += other["count"]

    def compare_text(self, texts: Iterable[Hashable], place: str, label: Any = "") -> None:
        """Remarks on a row whose texts are those of an earlier row; such rows are kept."""
        self._texts.append((hash(tuple(texts)), label, place))

    def _compare_texts(self) -> None:
        """Adds the remarks of `compare_text`; finding repeats row by row takes longer."""
        rows, self._texts = self._texts, []
        keys = np.fromiter((key for key, _, _ in rows), np.int64, len(rows))
        _, index, counts = np.unique(keys, return_inverse=True, return_counts=True)
        first: dict[int, tuple[Any, str]] = {}
        for number in np.flatnonzero(counts[index] > 1).tolist():
            key, label, place = rows[number]
            if key not in first:
                first[key] = label, place
            elif first[key][0] == label:
                self.remark(REPEATED, place)
            else:
                earlier, there = first[key]
                conflict = f"{place} ({_shown(label)}, but {_shown(earlier)} at {there})"
                self.remark(f"{REPEATED} with another label", conflict)

    def is_repeated(
        self, name: str, values: Iterable[Hashable], place: str, unique: bool = False
    ) -> bool:
        """Leaves a row out, and returns True, if an earlier one had the same id and values.

        Args:
          name: the id of the row.
          values: everything else that makes up the row.
          place: where the row is.
          unique: whether an earlier row that has the id with other values is an error; otherwise
            that is a remark.

        Raises:
          InputError: as above.
        """
        content, ids = hash(tuple(values)), self._ids
        if name not in ids:
            ids[name] = content, place
            return False
        earlier = ids[name]
        if earlier[0] == content:
            self.leave_out("an earlier one has the same id and content", place)
            return True
        if unique:
            raise InputError(
                f"Each {self.unit} must have its own id. Received {name!r} at {place} and, with "
                f"other content, at {earlier[1]}. Change one id, or leave one of the files out."
            )
        self.remark("have the id of an earlier one with other content", place)
        return False

    def forget(self) -> None:
        """Frees the memory of texts and ids, which only reading needs."""
        self._compare_texts()
        self._ids = {}

    def to_dict(self) -> dict[str, Any]:
        """Returns the counts with the first places, for a JSON file."""
        sections = {"left_out": self.left_out, "remarks": self.remarks}
        return {
            "rows": self.rows,
            "kept": self.kept,
            **({} if self.part is None else {"part": self.part}),
            **{
                name: {reason: dataclasses.asdict(places) for reason, places in section.items()}
                for name, section in sections.items()
            },
        }

    def __str__(self) -> str:
        """One line for each reason and remark; empty if there are none."""
        lines = []
        if self.part is not None:
            lines.append(f"{self.part:,} of {self.kept:,} {self.unit}(s) used, by EVAL_FRACTION")
        lines += [
            f"{places.count:,} {self.unit}(s) left out: {reason}: {places}"
            for reason, places in self.left_out.items()
        ]
        lines += [
            f"{places.count:,} {self.unit}(s) {remark}: {places}"
            for remark, places in self.remarks.items()
        ]
        return "\n".join(lines)

    def show(self) -> None:
        """Prints the reasons and remarks to standard error."""
        if text := str(self):
            print(text, file=sys.stderr)


def _shown(label: Any) -> str:
    text = str(label)
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
