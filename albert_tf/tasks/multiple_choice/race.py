"""Reads RACE, reading comprehension for middle and high school (Lai et al. 2017), as published.

A file has one passage with its questions as a JSON object, {"id", "article", "questions",
"options", "answers"}, where answers are letters. It may also have one such object on each line, as
in the files that the original code concatenates. The published folders are `train`, `dev` and
`test`, each with `middle` and `high`. A passage without an id gets one from its level, its file
and, after the first line, its line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from albert_tf.data.row_report import RowReport
from albert_tf.data.text_lines import read_lines
from albert_tf.errors import InputError
from albert_tf.files import parse_json
from albert_tf.tasks.multiple_choice.data import Item, joined

LEVELS = ("middle", "high")
_LETTERS = "ABCDEFGH"
_LABELS = {letter: index for index, letter in enumerate(_LETTERS)}
_LONGEST = 80  # The characters of an id, and of what an error shows.


def files(folder: Path) -> list[Path]:
    """Returns the files in a folder and its sub-folders, middle school first.

    Raises:
      InputError: there are no files.
    """
    paths = sorted(folder.rglob("*.txt"), key=lambda path: (level(path) != "middle", path))
    if not paths:
        raise InputError(
            f"A folder of RACE must contain .txt files. Received '{folder}', which has none. Use "
            "`train`, `dev` or `test` of the unpacked archive."
        )
    return paths


def level(path: Path) -> str:
    """Returns "middle" or "high", the last part of the path with such a name, or ""."""
    return next((name for name in reversed(path.parts) if name in LEVELS), "")


def read(paths: Iterable[Path], report: RowReport | None = None) -> Iterator[Item]:
    """Yields the questions of files; one that repeats another, id and all, is left out.

    Args:
      paths: the files, of which one may hold what others hold too, such as `all.txt`.
      report: counts the questions, and takes those that are left out.

    Raises:
      InputError: a line is not such an object, or two questions have the same id. The error names
        the file and the line.
    """
    report = RowReport("item") if report is None else report
    for path in paths:
        for number, line in enumerate(read_lines(path), start=1):
            if line.strip():
                yield from _items(line, path, number, report)


def _items(line: str, path: Path, number: int, report: RowReport) -> Iterator[Item]:
    place = f"'{path}' line {number}"
    try:
        passage = parse_json(line)
        article, columns = passage["article"], _columns(passage)
        if not isinstance(article, str):
            raise TypeError(f"'article' is not a string: {str(article)[:_LONGEST]!r}")
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            "A line of RACE must be a JSON object with 'article', 'questions', 'options' and "
            "'answers', the last three being lists of the same length. Received "
            f"{place}: {error!r}. Correct the file, or leave it out."
        ) from error
    group = level(path)
    own = f"{group}{path.name}" + (f":{number}" if number > 1 else "")
    name = own if passage.get("id") is None else str(passage["id"])[:_LONGEST]
    report.rows += len(columns[0])
    for index, (question, options, answer) in enumerate(zip(*columns)):
        origin = f"{place} question {index}"
        label = _LABELS.get(answer) if type(answer) is str else None
        if label is None and answer is not None:
            report.broken(
                "its answer is not a letter",
                origin,
                f"An answer of RACE must be a letter from A to {_LETTERS[-1]}. Received "
                f"{str(answer)[:_LONGEST]!r} at {origin}. Correct the file.",
            )
            continue
        item = Item(
            f"{name}/{index}", article, tuple(joined(question, options)), label, group, origin
        )
        if not report.is_repeated(item.id, (article, item.choices, label), origin, True):
            yield item


def _columns(passage: dict[str, Any]) -> tuple[list, list, list]:
    questions, options = passage["questions"], passage["options"]
    if not _are_texts(questions) or not isinstance(options, list):
        raise TypeError("'questions' is no list of texts, or 'options' no list")
    if not all(map(_are_texts, options)):
        raise TypeError("'options' has something else than lists of texts")
    answers = passage.get("answers") or [None] * len(questions)
    if not isinstance(answers, (list, str)):
        raise TypeError(f"'answers' is no list: {str(answers)[:_LONGEST]!r}")
    if not len(questions) == len(options) == len(answers):
        raise ValueError(
            f"{len(questions)} questions, {len(options)} options, {len(answers)} answers"
        )
    return questions, options, list(answers)


def _are_texts(value: Any) -> bool:
    return type(value) is list and set(map(type, value)) <= {str}
