"""Errors that users can cause and fix.

Every message states the rule, the received value and the remedy. The command line prints an
`InputError` as one line and exits with status 2. Any other exception is a bug in this package and
shows its traceback.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

# Inputs, and errors of libraries that repeat them, may have any length.
_MESSAGE, _VALUE, _OPTIONS = 1500, 200, 100  # characters, characters, names
_LONG_VALUE = re.compile(  # in quotes, or a word
    rf"""(?:^|(?<=[\s(\[{{=:,]))(['"])(?:(?!\1).){{{_VALUE + 1},}}?(?=\1)|\S{{{_VALUE + 1},}}"""
)


class InputError(ValueError):
    """A file, flag, setting or argument is invalid; the message says why and what to do.

    The message is one line of printable characters, whatever an input or the error of a library
    contributes to it, and long values in it are cut.
    """

    def __init__(self, message: str) -> None:
        text = _LONG_VALUE.sub(lambda value: _cut(value.group(), _VALUE), _printable(message))
        super().__init__(_cut(text, _MESSAGE))


def _printable(text: str) -> str:
    """Returns the text with blanks for white space, and escapes for characters without a form."""
    if text.isprintable():
        return text
    escaped = (c if c.isprintable() else " " if c.isspace() else ascii(c)[1:-1] for c in text)
    return "".join(escaped)


def _cut(text: str, longest: int) -> str:
    """Leaves out the middle, as a path ends with its name, and a message with its remedy."""
    end = longest // 3
    return text if len(text) <= longest else f"{text[: longest - end - 5]} ... {text[-end:]}"


def closest(name: str, options: Iterable[str]) -> str:
    """Returns the end of an error message: the options most similar to `name`, then all of them.

    An option is similar if few characters differ, or if `name` is its initials, such as "LR".
    """
    options = sorted({" ".join(option[:_VALUE].split()) for option in options})
    similar = difflib.get_close_matches(name[:_VALUE], options, n=3, cutoff=0.5)
    initials = [o for o in options if name and name == "".join(p[:1] for p in o.split("_"))]
    similar = list(dict.fromkeys([*initials, *similar]))[:3]
    hint = f"Closest: {', '.join(similar)}. " if similar else ""
    more = ", ..." if len(options) > _OPTIONS else ""
    return f"{hint}All: {', '.join(options[:_OPTIONS])}{more}."
