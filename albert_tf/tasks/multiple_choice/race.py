"""RACE: reading comprehension for middle and high school (Lai et al. 2017), as published.

A file holds one passage with its questions as JSON: {"id", "article", "questions", "options",
"answers"}, the answers as letters; or one such object a line, as the original concatenates them.
The published folders are `train`, `dev` and `test`, each with `middle` and `high`.
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
    """Returns the files of a folder and those below it, middle school first.

    Raises:
      InputError: there is none.
    """
    found = sorted(folder.rglob("*.txt"), key=lambda path: (level(path) != "middle", path))
    if not found:
        raise InputError(
            f"A folder of RACE must hold .txt files. Received '{folder}', which has none. Name "
            "`train`, `dev` or `test` of the unpacked archive."
        )
    return found


def level(path: Path) -> str:
    """Returns "middle" or "high", if a folder of the path is named so, the last one, or ""."""
    return next((name for name in reversed(path.parts) if name in LEVELS), "")


def read(path: Path) -> Iterator[Item]:
    """Yields the questions of a file.

    Raises:
      InputError: a line is not such an object; the message names file and line.
    """
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            yield from _items(line, path, f"'{path}' line {number}")


def _items(line: str, path: Path, place: str) -> Iterator[Item]:
    try:
        passage = json.loads(line)
        article, columns = passage["article"], _columns(passage)
        if not isinstance(article, str):
            raise TypeError(f"'article' is no text: {article!r}")
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            "A line of RACE must be a JSON object with 'article', 'questions', 'options' and "
            f"'answers', the last three lists of one length. Received {place}: {error!r}. Mend the "
            "file, or leave it out."
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
            f"An answer of RACE must be a letter from A on. Received {answer!r} at {place}. Mend "
            "the file."
        )
    return _LETTERS.index(answer)
