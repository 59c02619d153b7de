"""Decodes bytes and reads lines of files, counting the invalid bytes that are replaced."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from albert_tf.errors import InputError
from albert_tf.files import open_text

_ESCAPED = re.compile("[\udc80-\udcff]")


def decoded(line: bytes, replace_invalid: bool, place: str) -> tuple[str, int]:
    """Returns the decoded text and the number of invalid bytes that were replaced with U+FFFD.

    Args:
      line: the bytes to decode.
      replace_invalid: whether to replace bytes that are not valid UTF-8; otherwise they are an
        error.
      place: the origin of the bytes, for the error message.

    Raises:
      InputError: the bytes are not valid UTF-8 and `replace_invalid` is false.
    """
    text, replaced = _without_escapes(line.decode("utf-8", errors="surrogateescape"))
    if replaced and not replace_invalid:
        raise InputError(
            f"Text must be UTF-8. Received {replaced} invalid bytes in {place}. Convert the text "
            "to UTF-8, or replace such bytes with invalid_utf8='replace'."
        )
    return text, replaced


def _without_escapes(text: str) -> tuple[str, int]:
    """Replaces escaped bytes with U+FFFD, as Unicode recommends, and returns their number too."""
    escaped = len(_ESCAPED.findall(text))
    if escaped:
        # A truncated multi-byte character becomes a single U+FFFD, as in the graph.
        text = text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")
    return text, escaped


class TextLines:
    """An iterable over the lines of plain or gzip files.

    Args:
      files: the files, in reading order.
      replace_invalid: whether to replace and count bytes that are not valid UTF-8; otherwise they
        are an error.

    Attributes:
      count: the number of lines read so far.
      replaced: the number of bytes replaced so far.
    """

    def __init__(self, files: Sequence[Path], replace_invalid: bool = False) -> None:
        self.files = list(files)
        self.replace_invalid = replace_invalid
        self.count = 0
        self.replaced = 0

    def __iter__(self) -> Iterator[str]:
        """Yields the lines.

        Raises:
          InputError: a file cannot be read, or is not valid UTF-8 and `replace_invalid` is false.
        """
        for file in self.files:
            try:
                yield from self._lines_of(file)
            except UnicodeDecodeError as error:
                raise InputError(
                    f"Text must be UTF-8. Received '{file}' with {error.reason} "
                    f"(byte {error.object[error.start]:#04x}) after line {self.count} of the whole "
                    "input. Convert the file to UTF-8, or replace such bytes with "
                    "--invalid_utf8 replace."
                ) from error
            except (OSError, EOFError) as error:
                raise InputError(f"Text must be readable. Received '{file}': {error}.") from error

    def _lines_of(self, file: Path) -> Iterator[str]:
        with open_text(file) as stream:
            if self.replace_invalid:
                # Each invalid byte becomes one escape character, so the bytes can be counted.
                stream.reconfigure(errors="surrogateescape")
            for line in stream:
                self.count += 1
                if self.replace_invalid and not line.isascii():
                    line, replaced = _without_escapes(line)
                    self.replaced += replaced
                yield line
