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
        f"| [`albert-tf {name}`]({file_name(name)}.md) | {command.summary} |"
        for name, command in COMMANDS.items()
    ]
    pages = {"index": _INTRODUCTION + "\n".join(rows)}
    pages |= {file_name(name): page(name) for name in COMMANDS}
    for name, text in pages.items():
        files.append(File.generated(config, f"{FOLDER}/{name}.md", content=f"{text}\n"))
    return files


def file_name(name: str) -> str:
    """Returns the name of the page of a command; index.md is the page that lists them."""
    return "index-command" if name == "index" else name


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
            elif not _is_help(action):
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
    actions = [action for action in parser._actions if not _is_help(action)]
    formatter.add_usage(parser.usage, actions, parser._mutually_exclusive_groups)
    return formatter.format_help().strip().removeprefix("usage: ").replace("\n       ", "\n")


def _is_help(action: argparse.Action) -> bool:
    return any(option.startswith("--help") for option in action.option_strings)


def _row(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    formatter = argparse.HelpFormatter(parser.prog)
    text = inline(formatter._expand_help(action)) if action.help else ""
    value = ""
    if action.choices and action.metavar is None:
        choices = ", ".join(f"`{choice}`" for choice in action.choices)
        text = f"one of {choices}; {text}"
    elif action.option_strings and action.nargs != 0:
        value = f" {formatter._format_args(action, action.dest.upper())}"
    names = action.option_strings or [action.metavar or action.dest]
    name = ", ".join(f"`{option}{value}`" for option in names).replace("|", "\\|")
    required = " (required)" if action.option_strings and action.required else ""
    return f"| {name}{required} | {text} |"


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
    """Returns a text with flags, paths and names with underscores set as code."""
    parts = re.split(r"(`[^`]*`)", text)
    for i in range(0, len(parts), 2):
        escaped = re.sub(r"([*<|\[\]])", r"\\\1", parts[i])
        parts[i] = re.sub(r"(?<![\w/'-])(--)?\w[\w./=-]*\w", _token, escaped)
    return "".join(parts)


def _token(match: re.Match[str]) -> str:
    token = match[0]
    is_file = re.search(r"\.(gin|gz|json|jsonl|model|png|preprocess|tsv|txt|vocab)$", token)
    return f"`{token}`" if token.startswith("--") or "_" in token or is_file else token
