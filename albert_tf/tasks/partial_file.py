"""The output of answers: written as they come, and continued after a kill.

The answers go to a partial file beside the output, which becomes the output at the end. A log
beside it names the command in its first line; each further line has the number of rows that are
answered and the length of the partial file. So the same command can go on at the last of these
lines, whatever was being written when the process was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple

from albert_tf import files
from albert_tf.errors import InputError
from albert_tf.tasks.answer_files import Answer, AnswerFile

_SHOWN = 80  # The characters of a value in an error.


class Stream:
    """Standard output, a device or a pipe; the methods are those of `PartialFile`, without a log.

    Raises:
      InputError: the format is made at the end.
    """

    rows, remarks = 0, MappingProxyType({})

    def __init__(self, stream: IO[str], file: AnswerFile) -> None:
        if not file.IS_TEXT:
            raise InputError(
                "Formats that are not text need a file that can be replaced. Received an --output "
                "that is a device or a pipe. Write to a file, or in another format."
            )
        self._stream, self._file = stream, file

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Writes what precedes the answers, and at the end what follows them."""
        self._stream.write(self._file.begin())
        yield
        self._stream.write(self._file.end())
        self._stream.flush()

    def add(self, rows: int, answers: Iterable[Answer], remarks: Mapping[str, Any]) -> None:
        """Writes the answers to the next rows."""
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

    def _write(self, content: str | bytes) -> None:
        self._data.write(content.encode() if isinstance(content, str) else content)
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
