"""The formats of files of answers."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import stat
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from albert_tf import files
from albert_tf.errors import InputError

Answer = dict[str, Any]

_GROUP = 20_000  # The rows of a row group in Parquet, which are in memory together.


class AnswerFile:
    """The content of a file of answers, as JSON Lines. Subclasses write other formats.

    Args:
      keep: the names in answers of columns of the input.

    Attributes:
      IS_TEXT: whether the content is text, which can be written to a pipe.
      state: what the format must know of the answers before, a JSON value.
      depends: what the content depends on besides the answers, as JSON values by name.
    """

    START: ClassVar[Any] = None
    IS_TEXT: ClassVar[bool] = True

    def __init__(self, keep: Sequence[str] = ()) -> None:
        self.keep = tuple(keep)
        self.state = self.START
        self.depends: dict[str, Any] = {}

    def begin(self) -> Any:
        """Returns the content before the first answer: a str, or bytes if it is not text."""
        return ""

    def add(self, answers: Iterable[Answer]) -> Any:
        """Returns the content of the next answers."""
        return "".join(_json(answer) + "\n" for answer in answers)

    def end(self) -> Any:
        """Returns the content after the last answer."""
        return "" if self.IS_TEXT else b""

    def text(self, answers: Iterable[Answer]) -> Any:
        """Returns the content of a whole file."""
        return self.begin() + self.add(answers) + self.end()

    def put(self, partial: Path, output: Path) -> None:
        """Moves a file with the whole content to its place."""
        if output.exists():
            os.chmod(partial, stat.S_IMODE(output.stat().st_mode))
        os.replace(partial, output)


class Csv(AnswerFile):
    """A table with a header as in RFC 4180, which pandas and Python's csv module read.

    Args:
      columns: the types of the columns of answers, by name.
      table_rows: yields the rows of an answer in tables.
      keep: the columns of the input, which come first.
    """

    SEPARATOR: ClassVar[str] = ","

    def __init__(
        self,
        columns: Mapping[str, Any],
        table_rows: Callable[[Answer], Iterable[Mapping[str, Any]]],
        keep: Sequence[str] = (),
    ) -> None:
        super().__init__(keep)
        self.types = {**dict.fromkeys(self.keep, str), **columns}
        self._table_rows = table_rows

    def begin(self) -> str:
        return self.line(self.types)

    def add(self, answers: Iterable[Answer]) -> str:
        rows = (flat(row) for answer in answers for row in self._table_rows(answer))
        return "".join(self.line([row[name] for name in self.types]) for row in rows)

    def line(self, cells: Iterable[Any]) -> str:
        """Returns the line of a row."""
        return self.SEPARATOR.join([self.cell(_cell_text(cell)) for cell in cells]) + "\n"

    def cell(self, text: str) -> str:
        """Returns a text as a field, in quotes if it has a character that needs them."""
        return '"' + text.replace('"', '""') + '"' if re.search('[",\r\n]', text) else text


class Tsv(Csv):
    """A table of fields between tabs; see `tsv_field`."""

    SEPARATOR = "\t"

    def cell(self, text: str) -> str:
        return tsv_field(text)


class Parquet(Csv):
    """A table in the format Parquet, made at the end from Arrow's batches in the partial file.

    Each batch is preceded by its length.
    """

    IS_TEXT = False
    _LENGTH = struct.Struct("<Q")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise InputError(
                f"Parquet needs a package that is not installed ({error}). Received an --output "
                "that ends in .parquet. Run pip install 'albert-tf[parquet]', or write a .csv."
            ) from error

    def begin(self) -> bytes:
        return b""

    def add(self, answers: Iterable[Answer]) -> bytes:
        rows = [flat(row) for answer in answers for row in self._table_rows(answer)]
        if not rows:
            return b""
        return self._block([[row[name] for row in rows] for name in self.types])

    def _block(self, columns: Sequence[Sequence[Any]]) -> bytes:
        import pyarrow

        schema = self._schema()
        arrays = list(map(pyarrow.array, columns, schema.types))
        batch = pyarrow.RecordBatch.from_arrays(arrays, schema=schema).serialize().to_pybytes()
        return self._LENGTH.pack(len(batch)) + batch

    def _schema(self) -> Any:
        import pyarrow

        return pyarrow.schema([(name, _arrow(kind)) for name, kind in self.types.items()])

    def put(self, partial: Path, output: Path) -> None:
        import pyarrow
        from pyarrow import parquet

        schema = self._schema()
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(files.replacing(output))
            file = stack.enter_context(open(partial, "rb"))
            writer = stack.enter_context(parquet.ParquetWriter(temporary, schema))
            group: list[Any] = []
            while length := file.read(self._LENGTH.size):
                data = pyarrow.py_buffer(file.read(*self._LENGTH.unpack(length)))
                group.append(pyarrow.ipc.read_record_batch(data, schema))
                if sum(batch.num_rows for batch in group) >= _GROUP:
                    writer.write_table(pyarrow.Table.from_batches(group), row_group_size=_GROUP)
                    group = []
            if group:
                writer.write_table(pyarrow.Table.from_batches(group), row_group_size=_GROUP)
        partial.unlink()


# The tables that tasks with columns write, by extension.
TABLES = {".csv": Csv, ".tsv": Tsv, ".parquet": Parquet}


def tsv_field(text: str) -> str:
    """Returns a text as a field of TSV, which has no quotes: tabs and line ends become blanks."""
    return re.sub("[\t\r\n]", " ", text)


def kept_names(keep: Sequence[str], columns: Iterable[str]) -> list[str]:
    """Returns the names in answers of columns of the input: their own, or "input.NAME" if taken."""
    taken = {part for name in columns for part in (name, name.partition(".")[0])}
    return [f"input.{name}" if name in taken else name for name in keep]


def flat(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an answer without mappings: the entry "b" of a mapping "a" becomes "a.b"."""
    cells: dict[str, Any] = {}
    for name, value in answer.items():
        if isinstance(value, Mapping):
            cells |= {f"{name}.{key}": entry for key, entry in value.items()}
        else:
            cells[name] = value
    return cells


def windows(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yields the items in lists of a size; the last has what is left."""
    iterator = iter(items)
    while window := list(itertools.islice(iterator, size)):
        yield window


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=np.ndarray.tolist)


def _cell_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if type(value) in (int, float) else _json(value)


def _arrow(kind: Any) -> Any:
    import pyarrow

    simple = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    simple[np.float32] = pyarrow.float32()
    return simple[kind] if kind in simple else pyarrow.list_(simple[kind.__args__[0]])
