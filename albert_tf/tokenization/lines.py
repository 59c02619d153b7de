"""Text of bytes and lines of files, with a count of the bytes that had to be replaced."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from albert_tf.errors import InputError
from albert_tf.files import open_text

_ESCAPED = re.compile("[\udc80-\udcff]")


def decoded(line: bytes, replace_invalid: bool, place: str) -> tuple[str, int]:
    """Returns the text of bytes, and how many of them were invalid and became U+FFFD.

    Args:
      line: the bytes.
      replace_invalid: bytes that are not UTF-8 become U+FFFD; else they are an error.
      place: tells the user where the bytes are from.

    Raises:
      InputError: a byte is not UTF-8 where that is an error.
    """
    text, replaced = _without_escapes(line.decode("utf-8", errors="surrogateescape"))
    if replaced and not replace_invalid:
        raise InputError(
            f"Text must be UTF-8. Received {replaced} bytes in {place} that are not. Convert it, "
            "or have such bytes replaced (invalid_utf8: 'replace')."
        )
    return text, replaced


def _without_escapes(text: str) -> tuple[str, int]:
    """Returns text whose escaped bytes became U+FFFD, as Unicode recommends, and their number."""
    escaped = len(_ESCAPED.findall(text))
    if escaped:
        # An unfinished character of several bytes is one U+FFFD, in the graph too.
        text = text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")
    return text, escaped


class TextLines:
    """An iterable over the lines of files, plain or gzip.

    Args:
      files: the files, read in this order.
      replace_invalid: bytes that are not UTF-8 become U+FFFD and are counted; else an error.

    Attributes:
      count: lines that were read so far.
      replaced: bytes that were replaced so far.
    """

    def __init__(self, files: Sequence[Path], replace_invalid: bool = False) -> None:
        self.files = list(files)
        self.replace_invalid = replace_invalid
        self.count = 0
        self.replaced = 0

    def __iter__(self) -> Iterator[str]:
        """Yields the lines.

        Raises:
          InputError: a file cannot be read, or holds invalid UTF-8 where that is an error.
        """
        for file in self.files:
            try:
                yield from self._lines_of(file)
            except UnicodeDecodeError as error:
                raise InputError(
                    f"Text must be UTF-8. Received '{file}' with {error.reason} "
                    f"(byte {error.object[error.start]:#04x}) after line {self.count} of all "
                    "input. Convert it, or replace such bytes with --invalid_utf8 replace."
                ) from error
            except (OSError, EOFError) as error:
                raise InputError(f"Text must be readable. Received '{file}': {error}.") from error

    def _lines_of(self, file: Path) -> Iterator[str]:
        with open_text(file) as stream:
            if self.replace_invalid:
                # The escapes keep one character for each byte, so that they can be counted.
                stream.reconfigure(errors="surrogateescape")
            for line in stream:
                self.count += 1
                if self.replace_invalid and not line.isascii():
                    line, replaced = _without_escapes(line)
                    self.replaced += replaced
                yield line
