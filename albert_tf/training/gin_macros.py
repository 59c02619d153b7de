"""Lists the macros of gin files with their values and meanings, from the text of the files.

A comment gives the meaning: an entry at the head of a file, or that behind the value. An entry is

    #   SEED             seed of weights, dropout and data order

The files are not executed, so this needs neither TensorFlow nor data.
"""

from __future__ import annotations

import io
import re
import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gin import config_parser

from albert_tf.training import gin_files

_ENTRY = re.compile(r"^#   ([A-Z]\w*) +(\S.*(?:\n# {8,}\S.*)*)", re.MULTILINE)
_BEHIND = re.compile(r"^([A-Z]\w*) *=.*  # (.*)$", re.MULTILINE)
_REQUIRED = "%gin.REQUIRED"
_NAMES, _VALUES = 24, 16  # columns; a longer name or value gets a line of its own


class Macro(NamedTuple):
    """A macro: its value as gin files write it, its meaning, and the file that explains it."""

    name: str
    value: str
    meaning: str
    file: Path

    @property
    def is_required(self) -> bool:
        """Whether a run must set it."""
        return self.value == _REQUIRED


def find(files: Sequence[str], overrides: Sequence[str] = ()) -> list[Macro]:
    """Returns the macros of gin files and of those that they include, in order of appearance.

    Args:
      files: paths or recipe names. Later files take precedence.
      overrides: "NAME=VALUE" from the command line; those of other bindings are left alone.

    Raises:
      InputError: a file is missing or is not a gin file, or an override sets no known macro.
    """
    values: dict[str, str] = {}
    meanings: dict[str, tuple[str, Path]] = {}
    for file in files:
        _read(gin_files.resolve(file), values, meanings, ())
    for override in overrides:
        name, value = gin_files.split_override(override, values)
        if name in values:
            values[name] = value
    unknown = ("", gin_files.resolve(files[0]))
    return [Macro(name, value, *meanings.get(name, unknown)) for name, value in values.items()]


def text(macros: Sequence[Macro], width: int = 0) -> str:
    """Returns a table of macros: those that must be set, then the others by file.

    Args:
      macros: the result of `find`.
      width: columns of a line; that of the terminal by default.
    """
    width = width or min(shutil.get_terminal_size((100, 0)).columns, 120)
    names = min(_NAMES, max(len(macro.name) for macro in macros)) + 2
    values = min(_VALUES, max(len(macro.value) for macro in macros)) + 2
    groups: dict[str, list[Macro]] = {}
    for macro in sorted(macros, key=lambda macro: not macro.is_required):
        title = "must be set" if macro.is_required else gin_files.shown(macro.file)
        groups.setdefault(title, []).append(macro)
    lines = []
    for title, members in groups.items():
        lines += ["", title]
        for macro in members:
            value = "" if macro.is_required else macro.value
            head = f"  {macro.name:<{names}}{value:<{values}}"
            indent = " " * (2 + names + values)
            if len(head.rstrip()) >= len(indent):
                lines.append(head)
                head = indent
            lines += textwrap.wrap(head + macro.meaning, width, subsequent_indent=indent) or [head]
    return "\n".join(line.rstrip() for line in lines[1:])


def _read(
    path: Path,
    values: dict[str, str],
    meanings: dict[str, tuple[str, Path]],
    including: tuple[Path, ...],
) -> None:
    gin_files.check_no_circle(path, including)
    content = gin_files.read_text(path)
    for pattern in (_BEHIND, _ENTRY):
        for name, meaning in pattern.findall(content):
            meanings[name] = " ".join(re.sub(r"\n# +", " ", meaning).split()), path
    with gin_files.parsing([path]):
        for statement in config_parser.ConfigParser(io.StringIO(content), _AsText()):
            if isinstance(statement, config_parser.IncludeStatement):
                included = gin_files.resolve(statement.filename, path)
                _read(included, values, meanings, (*including, path))
            elif isinstance(statement, config_parser.BindingStatement) and not statement.arg_name:
                name = "/".join(filter(None, (statement.scope, statement.selector)))
                values[name] = repr(statement.value)


class _Reference(str):
    """A reference whose `repr` is its text, also inside of a list."""

    __repr__ = str.__str__


class _AsText(config_parser.ParserDelegate):
    def configurable_reference(self, scoped_name: str, evaluate: bool) -> str:
        return _Reference(f"@{scoped_name}{'()' if evaluate else ''}")

    def macro(self, macro_name: str) -> str:
        return _Reference(f"%{macro_name}")
