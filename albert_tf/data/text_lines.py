"""Reads the lines of a UTF-8 text file; errors name the file and the line."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from albert_tf.errors import InputError
from albert_tf.files import open_text
from albert_tf.tokenization.lines import without_escapes

_UNREADABLE = (EOFError, OSError, zlib.error)


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
      InputError: the file is not UTF-8 text, and the message names the line; or it cannot be read.
    """
    try:
        with open_text(path, newline) as file:
            if on_replaced:
                # Each invalid byte becomes one escape character, so the bytes can be counted.
                file.reconfigure(errors="surrogateescape")
            first = file.readline().removeprefix("\ufeff")
            for line in itertools.chain([first] if first else [], file):
                if "\0" in line:
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
        for number, line in enumerate(file, start=1):
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
