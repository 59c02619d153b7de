"""Extracts sentences of English prose from documentation strings.

Documentation strings mix prose with content that a model of English should not learn from:
interactive examples, code blocks, tables, parameter types and cross-reference mark-up. The steps
are, in order:

1. `prose_lines` blanks whole lines: fenced code, prompts and their output, rules and tables,
   sections such as "References", and the blocks after `::` and after most directives.
2. `paragraphs` joins the remaining lines. A list item or a parameter starts a new paragraph, which
   keeps only the description.
3. `plain` removes mark-up and keeps the words.
4. sentences.py splits sentences, and `is_prose` drops those that do not look like English.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator

from albert_tf.data.documents import split_sentences

DROPPED_SECTIONS = frozenset({"references", "reference", "see also", "attributes", "methods"})
HEADINGS = DROPPED_SECTIONS | {
    *("args", "arguments", "call arguments", "keyword args", "parameters", "input shape"),
    *("returns", "return", "yields", "yield", "raises", "output shape"),
    *("note", "notes", "example", "examples", "example usage", "usage"),
}
# Directives whose indented text is prose; other directives are dropped together with their text.
PROSE_DIRECTIVES = frozenset({"note", "warning", "caution", "important", "tip", "hint"})
DROPPED_FIELDS = frozenset({"type", "rtype", "meta", "vartype", "noindex"})

_FENCE = re.compile(r"\s*(```|~~~)")
_RULE = re.compile(r"\s*([=\-~^\"'#*+_.:`])\1{2,}\s*$")
_TABLE_ROW = re.compile(r"\s*[|+].*[|+]\s*$")
_TABLE_COLUMNS = re.compile(r"\s*(=+( +=+)+|-+( +-+)+)\s*$")
_DIRECTIVE = re.compile(r"\s*\.\.(?: *([\w:-]+?)::\s*(.*)|\s.*|)$")
_FIELD = re.compile(r"\s*:(\w+)\b[^:]*:\s*(.*)$")
_BULLET = re.compile(r"\s*(?:[-*+•]|\(?\d{1,2}[.)]|\(?[a-z]\))\s+(.*)$")
# `name (type): text` in Google style: the text is kept.
_PARAMETER = re.compile(
    r"\s*[`*\"']*[\w.*]+[`*\"']*(?:,\s*[`*]*[\w.*]+[`*]*)*\s*(?:\([^)]*\))?:\s+(.+)$"
)
# `name : type` in NumPy style: the whole line is dropped.
_NUMPY_PARAMETER = re.compile(r"[`*\w.,\s\[\]\"']+? : \S|\w+\s*:\s*(\{|int|str|bool|float|array)")
_MARKUP = (
    (re.compile(r"!?\[([^\]]+)\]\([^)]*\)"), r"\1"),  # [text](address)
    (re.compile(r"`([^`<]+?)\s*<[^`>]*>`_{0,2}"), r"\1"),  # `text <address>`_
    (re.compile(r":(?:\w+:)?\w+:`[~!]?(?:[\w.]+\.)?([^`]+)`"), r"\1"),  # :class:`~package.Name`
    (re.compile(r"\s?\[\d+\]_?|%\(\w+\)s|\{\{.*?\}\}"), ""),  # [1]_ and template placeholders
    (re.compile(r"``([^`]*)``|`([^`]*)`_{0,2}"), r"\1\2"),
    (re.compile(r"(?<![\w*])\*{1,2}([^\s*][^*]*?)\*{1,2}(?![\w*])"), r"\1"),  # *strong*
    (re.compile(r"[‘’]"), "'"),
    (re.compile(r"[“”]"), '"'),
    (re.compile(r"\s+"), " "),
)


def sentences(docstring: str) -> list[str]:
    """Returns the sentences of English prose in a documentation string, in order."""
    return [
        sentence
        for paragraph in paragraphs(prose_lines(inspect.cleandoc(docstring)))
        for sentence in split_sentences(plain(paragraph))
        if is_prose(sentence)
    ]


def prose_lines(docstring: str) -> list[str]:
    """Returns the lines, with lines that are not prose replaced by empty lines."""
    lines = docstring.split("\n")
    for step in (_blank_fences, _blank_prompts, _blank_tables, _blank_blocks, _blank_sections):
        lines = step(lines)
    return lines


def _blank_fences(lines: list[str]) -> list[str]:
    """Blanks fenced code blocks."""
    kept, inside = [], False
    for line in lines:
        fence = _FENCE.match(line) is not None
        kept.append("" if fence or inside else line)
        inside ^= fence
    return kept


def _blank_prompts(lines: list[str]) -> list[str]:
    """Blanks interactive examples and their output, which ends at an empty line."""
    kept, inside = [], False
    for line in lines:
        inside = bool(line.strip()) and (inside or line.lstrip().startswith((">>>", "In [")))
        kept.append("" if inside else line)
    return kept


def _blank_tables(lines: list[str]) -> list[str]:
    """Blanks tables with columns marked by `=` or `-`, up to an empty line."""
    kept, inside = [], False
    for line in lines:
        inside = bool(line.strip()) and (inside or _TABLE_COLUMNS.match(line) is not None)
        kept.append("" if inside else line)
    return kept


def _blank_blocks(lines: list[str]) -> list[str]:
    """Blanks the indented blocks after `::`, after directives and after dropped headings."""
    kept: list[str] = []
    block: int | None = None  # Lines that are indented deeper than this belong to the block.
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if not line or (block is not None and indent > block):
            kept.append("")
            continue
        block = None
        directive = _DIRECTIVE.match(line)
        if directive and directive[1] in PROSE_DIRECTIVES:
            line = directive[2]
        elif directive or _heading(line) in DROPPED_SECTIONS:
            block, line = indent, ""
        elif line.rstrip().endswith("::"):
            block, line = indent, line.rstrip()[:-1]
        kept.append(line)
    return kept


def _blank_sections(lines: list[str]) -> list[str]:
    """Blanks rules, tables and headings, and underlined sections such as "References"."""
    kept: list[str] = []
    dropped = False
    for line, following in zip(lines, [*lines[1:], ""]):
        rule = _RULE.match(line)
        if line and not rule and _RULE.match(following):
            dropped = _heading(line) in DROPPED_SECTIONS
            line = ""
        elif rule or dropped or _TABLE_ROW.match(line) or _heading(line) in HEADINGS:
            line = ""
        kept.append(line)
    return kept


def _heading(line: str) -> str:
    return line.strip().strip("#*").strip().rstrip(":").lower()


def paragraphs(lines: Iterable[str]) -> Iterator[str]:
    """Joins lines into paragraphs; list items and parameters are separate paragraphs."""
    parts: list[str] = []
    for line in lines:
        start = _paragraph_start(line)
        if start is None:
            parts.append(line.strip())
            continue
        if parts:
            yield " ".join(parts)
        parts = [start.strip()] if start else []
    if parts:
        yield " ".join(parts)


def _paragraph_start(line: str) -> str | None:
    """Returns the text of a line that starts a paragraph, or None if it continues one."""
    if not line.strip():
        return ""
    field = _FIELD.match(line)
    if field:
        return "" if field[1] in DROPPED_FIELDS else field[2]
    if _NUMPY_PARAMETER.match(line):
        return ""
    item = _BULLET.match(line)
    parameter = _PARAMETER.match(item[1] if item else line)
    if parameter:
        return parameter[1]
    return item[1] if item else None


def plain(paragraph: str) -> str:
    """Returns the paragraph without mark-up and with single spaces."""
    for pattern, replacement in _MARKUP:
        paragraph = pattern.sub(replacement, paragraph)
    return paragraph.strip()


# Nearly all English sentences of five or more words contain one of these; lines of code do not.
_LIST = (
    "the a an of to is in and for that this it be are as with if not or on by from which can when "
    "at has will you but into its no any all than then only so should must does was have"
)
FUNCTION_WORDS = frozenset(_LIST.split())
MIN_WORDS = 3
LONG = 5
MAX_CHARACTERS = 600
MIN_SHARE_OF_LETTERS = 0.7

_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
_CODE = re.compile(
    r"https?:|www\.|[{}\\<>|$@#~^]|==|\s=|=\s|->|::|__|%\(|\w\(\w+[=,)]|\w\.\w+\.\w|\w\[\S|\w/\w+/"
)


def is_prose(sentence: str) -> bool:
    """Returns whether a sentence looks like English: letters, function words and no code.

    A short sentence must also end in punctuation; otherwise it is usually a heading or a name.
    """
    if len(sentence) > MAX_CHARACTERS or not sentence.isascii() or _CODE.search(sentence):
        return False
    if not (sentence[0].isalpha() or sentence[0] in "\"'("):
        return False
    words = _WORD.findall(sentence)
    if len(words) < MIN_WORDS or sum(map(len, words)) < MIN_SHARE_OF_LETTERS * len(sentence):
        return False
    if sentence[-1] not in ".!?:\"')" and (len(words) < LONG or sentence[-1] in ",;(-"):
        return False
    return len(words) < LONG or any(word.lower() in FUNCTION_WORDS for word in words)
