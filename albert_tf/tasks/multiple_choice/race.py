"""Reads RACE, reading comprehension for middle and high school (Lai et al. 2017), as published.

A file has one passage with its questions as a JSON object, {"id", "article", "questions",
"options", "answers"}, where answers are letters. It may also have one such object on each line, as
in the files that the original code concatenates. The published folders are `train`, `dev` and
`test`, each with `middle` and `high`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from albert_tf.data.text_lines import read_lines
from albert_tf.errors import InputError
from albert_tf.tasks.multiple_choice.data import Item, joined

LEVELS = ("middle", "high")
_LETTERS = "ABCDEFGH"


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


def read(path: Path) -> Iterator[Item]:
    """Yields the questions of a file.

    Raises:
      InputError: a line is not such an object; the error names the file and the line.
    """
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            yield from _items(line, path, f"'{path}' line {number}")


def _items(line: str, path: Path, place: str) -> Iterator[Item]:
    try:
        passage = json.loads(line)
        article, columns = passage["article"], _columns(passage)
        if not isinstance(article, str):
            raise TypeError(f"'article' is not a string: {article!r}")
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            "A line of RACE must be a JSON object with 'article', 'questions', 'options' and "
            "'answers', the last three being lists of the same length. Received "
            f"{place}: {error!r}. Correct the file, or leave it out."
        ) from error
    name = passage.get("id", path.name)
    for index, (question, options, answer) in enumerate(zip(*columns)):
        yield Item(
            f"{name}/{index}",
            article,
            tuple(joined(question, option) for option in options),
            _label(answer, f"{place} question {index}"),
            level(path),
            f"{place} question {index}",
        )


def _columns(passage: dict[str, Any]) -> tuple[list, list, list]:
    questions, options = passage["questions"], passage["options"]
    answers = passage.get("answers") or [None] * len(questions)
    if not len(questions) == len(options) == len(answers):
        raise ValueError(
            f"{len(questions)} questions, {len(options)} options, {len(answers)} answers"
        )
    return questions, options, answers


def _label(answer: str | None, place: str) -> int | None:
    if answer is None:
        return None
    if answer not in tuple(_LETTERS):
        raise InputError(
            f"An answer of RACE must be a letter from A to {_LETTERS[-1]}. Received {answer!r} at "
            f"{place}. Correct the file."
        )
    return _LETTERS.index(answer)
