"""Errors that a user can cause and mend.

Every message states the rule, the received value and the remedy. The command line prints an
`InputError` as one line and leaves with status 2; any other exception is a defect of this package
and shows its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """A file, flag, setting or argument breaks a rule that the message states."""


def closest(name: str, options: Iterable[str]) -> str:
    """Returns the part of a message that names the options nearest to `name`, then all of them."""
    options = sorted(options)
    near = difflib.get_close_matches(name, options, n=3, cutoff=0.5)
    hint = f"Closest: {', '.join(near)}. " if near else ""
    return f"{hint}All: {', '.join(options)}."
