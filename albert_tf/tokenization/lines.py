"""Decodes bytes, and counts the invalid bytes that are replaced."""

from __future__ import annotations

import re

from albert_tf.errors import InputError

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
    text, replaced = without_escapes(line.decode("utf-8", errors="surrogateescape"))
    if replaced and not replace_invalid:
        raise InputError(
            f"Text must be UTF-8. Received {replaced} invalid bytes in {place}. Convert the text "
            "to UTF-8, or replace such bytes with invalid_utf8='replace'."
        )
    return text, replaced


def without_escapes(text: str) -> tuple[str, int]:
    """Replaces escaped bytes with U+FFFD, as Unicode recommends, and returns their number too."""
    escaped = len(_ESCAPED.findall(text))
    if escaped:
        # A truncated multi-byte character becomes a single U+FFFD, as in the graph.
        text = text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")
    return text, escaped
