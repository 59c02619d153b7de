"""Generates the command reference from the parsers of `albert-tf`, as the site is built."""

from __future__ import annotations

import argparse
import importlib
import re
import textwrap
from collections.abc import Iterator

from absl.flags import argparse_flags
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from albert_tf.cli.main import COMMANDS

FOLDER = "commands"

_INTRODUCTION = """# Command reference

`albert-tf COMMAND --help` prints the same text. `albert-tf --version` prints the version. Commands
exit with status 0, or with status 2 and one line on standard error if an argument or an input is
wrong.

| command | purpose |
|---|---|
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds a page for each command and one that lists them."""
    rows = [
        f"| [`albert-tf {name}`]({name}.md) | {command.summary} |"
        for name, command in COMMANDS.items()
    ]
    pages = {"index": _INTRODUCTION + "\n".join(rows)}
    pages |= {name: page(name) for name in COMMANDS}
    for name, text in pages.items():
        files.append(File.generated(config, f"{FOLDER}/{name}.md", content=f"{text}\n"))
    return files


def page(name: str) -> str:
    """Returns the Markdown of a command: description, usage, options, subcommands."""
    module = importlib.import_module(COMMANDS[name].module)
    parser = argparse_flags.ArgumentParser(
        prog=f"albert-tf {name}", description=module.__doc__, inherited_absl_flags=None
    )
    module.add_arguments(parser)
    return "\n\n".join(_sections(parser, 1))


def _sections(parser: argparse.ArgumentParser, level: int) -> Iterator[str]:
    yield f"{'#' * level} {parser.prog}"
    if parser.description:
        yield markdown(parser.description)
    yield f"```text\n{_usage(parser)}\n```"
    children: dict[str, argparse.ArgumentParser] = {}
    for group in parser._action_groups:
        rows = []
        for action in group._group_actions:
            if isinstance(action, argparse._SubParsersAction):
                children = action.choices
            elif not isinstance(action, argparse._HelpAction):
                rows.append(_row(parser, action))
        if rows:
            title = "Arguments" if group.title == "positional arguments" else group.title
            yield f"**{title[0].upper()}{title[1:]}**"
            yield "\n".join(["| argument | meaning |", "|---|---|", *rows])
    for child in children.values():
        yield from _sections(child, level + 1)


def _usage(parser: argparse.ArgumentParser) -> str:
    # argparse has no public way to set the width of a usage line.
    formatter = argparse.HelpFormatter(parser.prog, width=88)
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups)
    return formatter.format_help().strip().removeprefix("usage: ").replace("\n       ", "\n")


def _row(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    formatter = argparse.HelpFormatter(parser.prog)
    text = formatter._expand_help(action) if action.help else ""
    if not action.option_strings:
        return f"| `{action.metavar or action.dest}` | {inline(text)} |"
    value = ""
    if action.nargs != 0:
        value = f" {formatter._format_args(action, action.dest.upper())}"
    name = ", ".join(f"`{option}{value}`" for option in action.option_strings)
    if action.required:
        name += " (required)"
    return f"| {name.replace('|', chr(92) + '|')} | {inline(text)} |"


def markdown(text: str) -> str:
    """Returns a description as Markdown: indented lines become code, the rest stays prose."""
    summary, _, rest = text.strip().partition("\n")
    lines = [summary, *textwrap.dedent(rest).splitlines()]
    blocks: list[tuple[bool, list[str]]] = []
    for line in lines:
        code = line.startswith("  ") or (not line and bool(blocks) and blocks[-1][0])
        if not blocks or blocks[-1][0] != code:
            blocks.append((code, []))
        blocks[-1][1].append(line)
    return "\n\n".join(_code(part) if code else _prose(part) for code, part in blocks)


def _code(lines: list[str]) -> str:
    text = textwrap.dedent("\n".join(lines)).strip("\n")
    language = "shell" if re.search(r"^(\w+ .*\| )?albert-tf ", text, re.MULTILINE) else "text"
    return f"```{language}\n{text}\n```"


def _prose(lines: list[str]) -> str:
    text = "\n".join(lines).strip()
    return inline(re.sub(r"^examples?:$", lambda match: match[0].capitalize(), text, flags=re.M))


def inline(text: str) -> str:
    """Returns a text with flags, commands, paths and names in capitals set as code."""
    parts = re.split(r"(`[^`]*`)", text)
    for i in range(0, len(parts), 2):
        escaped = re.sub(r"([*<|\[\]])", r"\\\1", parts[i])
        code = r"(?<![\w`/])(--[a-z][\w.]*|[A-Z]{2,}(?:_[A-Z]+)+|[\w]+(?:_[a-z\d]+)+)(?![\w`/])"
        parts[i] = re.sub(code, r"`\1`", escaped)
    return "".join(parts)
