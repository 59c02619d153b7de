"""Reads the lines of a UTF-8 text file; errors name the file and the line."""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, AnyStr

from albert_tf.errors import InputError
from albert_tf.files import LONGEST_LINE, longest_line, open_text
from albert_tf.tokenization.lines import without_escapes

_UNREADABLE = (EOFError, OSError, zlib.error)
# Text is compressed to a third or a tenth; gzip reaches 1000 times with zeros.
_EXPANSION = 100
_CHUNK = 1 << 16


class _ZeroByte(Exception):
    pass


def read_lines(
    path: Path,
    newline: str | None = None,
    on_replaced: Callable[[int], None] | None = None,
) -> Iterator[str]:
    """Yields the lines of a plain or gzip file with their line ends, without a byte-order mark.

    Args:
      path: the file.
      newline: what ends a line, as for `open`: any line end by default, which is then read as a
        line feed.
      on_replaced: called with the number of bytes of a line that are not UTF-8 and were replaced by
        U+FFFD; None makes such bytes an error.

    Raises:
      InputError: the file is not UTF-8 text, and the message names the line; or it cannot be read;
        or a line has more characters than `files.longest_line`, or a compressed file more than that
        and 100 times its size. Of a longer line or file, only the permitted part is in memory.
    """
    try:
        with open_text(path, newline) as file:
            if on_replaced:
                # Each invalid byte becomes one escape character, so the bytes can be counted.
                file.reconfigure(errors="surrogateescape")
            if file.read(1) != "\ufeff":  # a byte-order mark
                file.seek(0)
            is_short = _has_short_lines(path)
            is_text = is_short and not _has_zero_byte(path)  # Faster than a look at each line.
            if is_text and not on_replaced:
                yield from file
                return
            lines: Iterable[str] = file if is_short else _limited(file, path)
            for line in lines:
                if not is_text and "\0" in line:
                    raise _ZeroByte
                if on_replaced and not line.isascii():
                    line, replaced = without_escapes(line)
                    if replaced:
                        on_replaced(replaced)
                yield line
    except (UnicodeDecodeError, _ZeroByte) as error:
        try:
            raise _not_text(path, newline, error) from error
        except _UNREADABLE as cause:
            raise _unreadable(path, cause) from cause
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error


def _has_short_lines(path: Path) -> bool:
    """Returns whether no line of a plain file can be too long, after reading a little of it.

    That is so if there is a line feed in each half of the permitted length; reading line by line
    with a limit takes longer.
    """
    if not isinstance(path, Path) or path.suffix == ".gz" or not path.is_file():
        return False
    half = longest_line() // 2
    with open(path, "rb") as file:
        for begin in range(0, path.stat().st_size, max(half, 1)):
            file.seek(begin)
            for read in range(0, half, _CHUNK):
                chunk = file.read(min(_CHUNK, half - read))
                if b"\n" in chunk or not chunk:
                    break
            else:
                return False
    return True


def _has_zero_byte(path: Path) -> bool:
    with open(path, "rb", buffering=0) as file:
        return any(b"\0" in chunk for chunk in iter(functools.partial(file.read, _CHUNK), b""))


def _limited(file: IO[str], path: Path) -> Iterator[str]:
    return limited(file, str(path), max(longest_line(), _EXPANSION * path.stat().st_size))


def limited(file: IO[AnyStr], name: str, most: float = math.inf) -> Iterator[AnyStr]:
    """Yields the lines of an open file, and reads no more of it than is permitted.

    Args:
      file: a text file, or a binary one, whose bytes count instead of characters.
      name: the name of the file, for error messages.
      most: the largest number of characters of all lines.

    Raises:
      InputError: a line is longer than `files.longest_line`, or there are more than `most`
        characters.
    """
    longest, left = longest_line(), most
    lines = iter(functools.partial(file.readline, longest + 1), file.read(0))
    for number, line in enumerate(lines, start=1):
        left -= len(line)
        if len(line) > longest:
            raise InputError(
                f"A line of text must have at most {longest} characters. Received '{name}', whose "
                f"line {number} has more. Split the line, or set the environment variable "
                f"{LONGEST_LINE} to a larger number."
            )
        if left < 0:
            raise InputError(
                f"The text of a compressed file must not be more than {_EXPANSION} times its size "
                f"and more than {longest} characters. Received '{name}', which has more than "
                f"{most} characters. Decompress it, or set the environment variable "
                f"{LONGEST_LINE} to a larger number."
            )
        yield line


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"A text file must be readable. Received '{path}': {error}. Replace the file with an "
        "intact copy, or leave it out."
    )


def _not_text(path: Path, newline: str | None, error: Exception) -> InputError:
    """Returns the error with the number of the line, which reading does not count."""
    reason = getattr(error, "reason", "")
    with open_text(path, newline) as file:
        file.reconfigure(errors="surrogateescape")
        for number, line in enumerate(limited(file, str(path)), start=1):
            rule = f"A text file must be UTF-8 text. Received '{path}', whose line {number}"
            if not reason and "\0" in line:
                return InputError(
                    f"{rule} has a zero byte, as in a binary file. Leave out or convert the file."
                )
            if reason and without_escapes(line)[1]:
                return InputError(
                    f"{rule} is not: {reason}. Convert the file, for example with `iconv -f LATIN1 "
                    "-t UTF-8`."
                )
    raise AssertionError(f"'{path}' changed while it was being read")
