"""Lines of a UTF-8 text file, with errors that name the file and the line."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from albert_tf.errors import InputError
from albert_tf.files import open_text


def read_lines(path: Path) -> Iterator[str]:
    """Yields the lines of a plain or gzip file with their ends, without a byte-order mark.

    Raises:
      InputError: the file is not UTF-8 text or cannot be read; the message names the line.
    """
    try:
        with open_text(path) as file:
            for number, line in enumerate(file, start=1):
                if "\0" in line:
                    raise InputError(
                        f"A text file must be UTF-8 text. Received '{path}', whose line {number} "
                        "holds a zero byte, as binary files do. Leave it out, or convert it."
                    )
                yield line.removeprefix("\ufeff") if number == 1 else line
    except UnicodeDecodeError as error:
        raise InputError(
            f"A text file must be UTF-8 text. Received '{path}', whose line {_bad_line(path)} is "
            f"not: {error.reason}. Convert it, for example with `iconv -f LATIN1 -t UTF-8`."
        ) from error
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(
            f"A text file must be readable. Received '{path}': {error}. Copy it again, or leave it "
            "out."
        ) from error


def _bad_line(path: Path) -> int:
    """Returns the number of the first line that is not UTF-8; the decoder only knows its chunk."""
    with open_text(path) as file:
        file.reconfigure(errors="surrogateescape")
        for number, line in enumerate(file, start=1):
            try:
                line.encode()
            except UnicodeEncodeError:
                return number
    raise AssertionError(f"'{path}' changed while it was read")
