"""Errors that users can cause and fix.

Every message states the rule, the received value and the remedy. The command line prints an
`InputError` as one line and exits with status 2. Any other exception is a bug in this package and
shows its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# The names of a file's columns may be any number of any length.
_LONGEST, _MOST = 60, 100
_LINE = 1500  # characters of a message, as libraries put whole inputs into their errors


class InputError(ValueError):
    """A file, flag, setting or argument is invalid; the message says why and what to do.

    The message is one line, whatever an input or the error of a library contributes to it.
    """

    def __init__(self, message: str) -> None:
        line = " ".join(message.split("\n")).replace("\r", " ")
        super().__init__(line if len(line) <= _LINE else f"{line[:_LINE]} ...")


def closest(name: str, options: Iterable[str]) -> str:
    """Returns the end of an error message: the options most similar to `name`, then all of them.

    An option is similar if few characters differ, or if `name` is its initials, such as "LR".
    """
    options = sorted({" ".join(option[:_LONGEST].split()) for option in options})
    similar = difflib.get_close_matches(name[:_LONGEST], options, n=3, cutoff=0.5)
    initials = [o for o in options if name and name == "".join(p[:1] for p in o.split("_"))]
    similar = list(dict.fromkeys([*initials, *similar]))[:3]
    hint = f"Closest: {', '.join(similar)}. " if similar else ""
    more = ", ..." if len(options) > _MOST else ""
    return f"{hint}All: {', '.join(options[:_MOST])}{more}."
