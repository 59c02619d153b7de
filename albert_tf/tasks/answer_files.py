"""Files of answers, which are written as the answers come, and continued after a kill.

The answers go to a partial file beside the output, which becomes the output at the end. A log
beside it names the command in its first line; each further line has the number of rows that are
answered and the length of the partial file. So the same command can go on at the last of these
lines, whatever was being written when the process was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, ClassVar, NamedTuple

from albert_tf import files
from albert_tf.errors import InputError

Answer = dict[str, Any]

_GROUP = 20_000  # The rows of a row group in Parquet, which are in memory together.
_SHOWN = 80  # The characters of a value in an error.


class AnswerFile:
    """The text of answers as JSON Lines. Subclasses write other formats.

    Args:
      keep: the names in answers of columns of the input.

    Attributes:
      state: what the format must know of the answers before, a JSON value.
    """

    START: ClassVar[Any] = None

    def __init__(self, keep: Sequence[str] = ()) -> None:
        self.keep = tuple(keep)
        self.state = self.START

    def begin(self) -> str:
        """Returns the text before the first answer."""
        return ""

    def add(self, answers: Iterable[Answer]) -> str:
        """Returns the text of the next answers."""
        return "".join(json.dumps(answer, ensure_ascii=False) + "\n" for answer in answers)

    def end(self) -> str:
        """Returns the text after the last answer."""
        return ""

    def text(self, answers: Iterable[Answer]) -> str:
        """Returns the text of a whole file."""
        return self.begin() + self.add(answers) + self.end()

    def put(self, text: Path, output: Path) -> None:
        """Moves a file with the text to its place."""
        if output.exists():
            os.chmod(text, stat.S_IMODE(output.stat().st_mode))
        os.replace(text, output)


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
    """A table in the format Parquet, made at the end from the JSON lists that the text has."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise InputError(
                f"Parquet needs a package that is not installed ({error}). Received an --output "
                "that ends in .parquet. Run pip install 'albert-tf[parquet]', or write a .csv."
            ) from error

    def begin(self) -> str:
        return ""

    def line(self, cells: Iterable[Any]) -> str:
        return json.dumps(list(cells), ensure_ascii=False) + "\n"

    def put(self, text: Path, output: Path) -> None:
        import pyarrow
        from pyarrow import parquet

        schema = pyarrow.schema([(name, _arrow(kind)) for name, kind in self.types.items()])
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(files.replacing(output))
            lines = stack.enter_context(open(text, encoding="utf-8"))
            writer = stack.enter_context(parquet.ParquetWriter(temporary, schema))
            for rows in windows(map(json.loads, lines), _GROUP):
                columns = map(pyarrow.array, zip(*rows), schema.types)
                writer.write_table(pyarrow.Table.from_arrays(list(columns), schema=schema))
        text.unlink()


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


def _cell_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if type(value) in (int, float) else json.dumps(value, ensure_ascii=False)


def _arrow(kind: Any) -> Any:
    import pyarrow

    simple = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    return simple[kind] if kind in simple else pyarrow.list_(simple[kind.__args__[0]])


class Stream:
    """Standard output, a device or a pipe; the methods are those of `PartialFile`, without a log.

    Raises:
      InputError: the format is made at the end.
    """

    rows, remarks = 0, MappingProxyType({})

    def __init__(self, stream: IO[str], file: AnswerFile) -> None:
        if isinstance(file, Parquet):
            raise InputError(
                "Parquet needs a file that can be replaced. Received an --output that is a device "
                "or a pipe. Write to a file, or in another format."
            )
        self._stream, self._file = stream, file

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        self._stream.write(self._file.begin())
        yield
        self._stream.write(self._file.end())
        self._stream.flush()

    def add(self, rows: int, answers: Iterable[Answer], remarks: Mapping[str, Any]) -> None:
        self._stream.write(self._file.add(answers))
        self._stream.flush()


class _Entry(NamedTuple):
    """A line of the log after the first: what the answers to the first rows left behind."""

    rows: int = 0
    length: int = 0
    state: Any = None
    remarks: Mapping[str, Any] = MappingProxyType({})


class PartialFile:
    """The partial file of an output, which only one process at a time writes.

    Args:
      output: the path of the output.
      file: its format.
      command: what answers depend on, as JSON values by name. Mappings are compared by "sha256".

    Attributes:
      rows: the number of rows that are answered.
      remarks: the last remarks passed to `add`.
    """

    def __init__(self, output: Path, file: AnswerFile, command: Mapping[str, Any]) -> None:
        self.output = Path(os.path.realpath(output))
        self.path = self.output.with_name(f"{self.output.name}.partial")
        self.log = self.output.with_name(f"{self.output.name}.partial.jsonl")
        self._command = json.loads(json.dumps(command))
        self.rows, self.remarks = 0, {}
        self._file = file

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Opens the file, goes on where it ends, and makes it the output if the block succeeds.

        Raises:
          InputError: the file is that of another command or process, or the disk is full. After
            an error of the block, its message says where the answers are.
        """
        with files.disk_errors(self.output), contextlib.ExitStack() as stack:
            self.output.parent.mkdir(parents=True, exist_ok=True)
            self._data = stack.enter_context(open(self.path, "ab"))
            self._lock()
            self._entries = stack.enter_context(open(self.log, "ab"))
            self._resume()
            try:
                yield
            except BaseException as error:
                if not self.rows:
                    self.path.unlink()
                    self.log.unlink()
                elif isinstance(error, InputError):
                    raise InputError(f"{error} {self._where()}") from error
                else:
                    print(self._where(), file=sys.stderr)
                raise
            self._write(self._file.end())
            self._data.close()
            self._file.put(self.path, self.output)
            self.log.unlink()

    def add(self, rows: int, answers: Iterable[Answer], remarks: Mapping[str, Any]) -> None:
        """Writes the answers to the next rows.

        `remarks` is what to remember about all rows until now.
        """
        self._write(self._file.add(answers))
        self.rows, self.remarks = self.rows + rows, remarks
        self._mark()

    def _write(self, text: str) -> None:
        self._data.write(text.encode())
        self._data.flush()
        os.fsync(self._data.fileno())  # Before the log says so.

    def _mark(self) -> None:
        state = self._file.state
        self._log(_Entry(self.rows, self._data.tell(), state, self.remarks)._asdict())

    def _log(self, values: Mapping[str, Any]) -> None:
        self._entries.write((json.dumps(values) + "\n").encode())
        self._entries.flush()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._data, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                "Only one process may write an output at a time. Received "
                f"'{self.output}', which another one is writing. Wait for it, or write to another "
                "--output."
            ) from error

    def _resume(self) -> None:
        """Cuts both files after the last rows that are in both, or begins them."""
        length = os.path.getsize(self.path)
        command, entries = _log_entries(self.log)
        reached = [(entry, end) for entry, end in entries if entry.length <= length]
        entry, end = reached[-1] if reached else (None, 0)
        if length and command is None:
            raise InputError(
                "A partial file must have its log. Received "
                f"'{self.path}' without '{self.log.name}'. Delete it, or write to another --output."
            )
        if entry is not None and entry.rows:
            if different := _differences(command, self._command):
                raise InputError(
                    "A partial file is continued by the same command only. Received "
                    f"'{self.path}' with {entry.rows:,} answered rows of another one: {different}. "
                    "Delete it to begin anew, or write to another --output."
                )
            self._data.truncate(entry.length)
            self._entries.truncate(end)
            self.rows, self.remarks, self._file.state = entry.rows, entry.remarks, entry.state
            print(f"resuming after {entry.rows:,} rows in '{self.path}'", file=sys.stderr)
            return
        self._data.truncate(0)
        self._entries.truncate(0)
        self._log(self._command)
        self._write(self._file.begin())
        self._mark()

    def _where(self) -> str:
        return (
            f"The answers to the first {self.rows:,} rows are in '{self.path}'; the same command "
            "goes on after them."
        )


def _log_entries(path: Path) -> tuple[Any, list[tuple[_Entry, int]]]:
    """Returns the command, or None, and the entries, each with the place where its line ends.

    The last line may be cut off.
    """
    command, entries, end = None, [], 0
    for line in path.read_bytes().splitlines(keepends=True):
        end += len(line)
        try:
            values = json.loads(line) if line.endswith(b"\n") else None
            if command is None and values is not None:
                command = values
            elif values is not None:
                entries.append((_Entry(**values), end))
        except (ValueError, TypeError):
            break
    return command, entries


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Returns the names whose values differ between two commands, with both values."""
    return "; ".join(
        f"{name} {_shown(old.get(name))}, now {_shown(new.get(name))}"
        for name in {**old, **new}
        if _compared(old.get(name)) != _compared(new.get(name))
    )


def _compared(value: Any) -> Any:
    if isinstance(value, list):
        return [_compared(entry) for entry in value]
    return value.get("sha256") if isinstance(value, Mapping) else value


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))[:_SHOWN]
    if isinstance(value, Mapping):
        return f"'{value.get('path')}' ({str(value.get('sha256'))[:8]})"
    return json.dumps(value)[:_SHOWN]
