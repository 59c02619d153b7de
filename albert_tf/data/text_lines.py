"""Reads the lines of a UTF-8 text file; errors name the file and the line."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from albert_tf.errors import InputError
from albert_tf.files import open_text


def read_lines(path: Path) -> Iterator[str]:
    """Yields the lines of a plain or gzip file with their line ends, without a byte-order mark.

    Raises:
      InputError: the file is not UTF-8 text, and the message names the line; or it cannot be read.
    """
    try:
        with open_text(path) as file:
            for number, line in enumerate(file, start=1):
                if "\0" in line:
                    raise InputError(
                        f"A text file must be UTF-8 text. Received '{path}', whose line {number} "
                        "has a zero byte, as in a binary file. Leave out or convert the file."
                    )
                yield line.removeprefix("\ufeff") if number == 1 else line
    except UnicodeDecodeError as error:
        raise InputError(
            f"A text file must be UTF-8 text. Received '{path}', whose line {_bad_line(path)} is "
            f"not: {error.reason}. Convert the file, for example with `iconv -f LATIN1 -t UTF-8`."
        ) from error
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(
            f"A text file must be readable. Received '{path}': {error}. Replace the file with an "
            "intact copy, or leave it out."
        ) from error


def _bad_line(path: Path) -> int:
    """Returns the number of the first line that is not UTF-8; decoding works in larger chunks."""
    with open_text(path) as file:
        file.reconfigure(errors="surrogateescape")
        for number, line in enumerate(file, start=1):
            try:
                line.encode()
            except UnicodeEncodeError:
                return number
    raise AssertionError(f"'{path}' changed while it was being read")
