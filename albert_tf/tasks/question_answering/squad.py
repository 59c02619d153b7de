"""Reads questions about a context: SQuAD 1.1 and 2.0 files, or one flat JSON object on each line.

The layout is detected automatically. There are two:
- as published: {"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "answers",
  "is_impossible"}]}]}]};
- one question on each line: {"id", "question", "context", "answers", "is_impossible"}, where
  "answers" is a list of {"text", "answer_start"} or, as dataset tools write it, {"text": [...],
  "answer_start": [...]}. If there is no id, the line number is used, after the name of the file if
  an earlier file has used it.

`answer_start` counts characters (Unicode code points), as in the published files. A question with
an empty list of answers is unanswerable, with or without "is_impossible".
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from albert_tf.data.row_report import RowReport
from albert_tf.data.text_lines import read_lines
from albert_tf.errors import InputError
from albert_tf.files import parse_json


class Answer(NamedTuple):
    """A text and the character of the context where it begins; None if the file has no start."""

    text: str
    start: int | None


@dataclasses.dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
      id: the id of the question, unique in its file.
      text: the question.
      context: the text that may contain the answer.
      answers: the answers of several annotators; empty if the question is unanswerable, or if the
        answers are unknown.
      impossible: whether the context has no answer.
      origin: the file and the place in it, for messages.
    """

    id: str
    text: str
    context: str
    answers: tuple[Answer, ...] = ()
    impossible: bool = False
    origin: str = ""


def read(paths: Iterable[Path], report: RowReport | None = None) -> list[Question]:
    """Returns the questions of files, in order; a question or a context may be blank.

    Args:
      paths: the files.
      report: counts the questions, and takes those that repeat others.

    Raises:
      InputError: a file has an unknown layout or no questions; a field is missing or of the wrong
        type; or an id is not unique. The error names the file and the place in it.
    """
    report = RowReport("question") if report is None else report
    questions: dict[str, Question] = {}
    for path in paths:
        before = len(questions)
        for row in _rows(read_lines(path), str(path)):
            report.rows += 1
            question = _question(*row)
            if question.id in questions and question.id == row.default_id:
                question = dataclasses.replace(question, id=f"{path.name}:{question.id}")
            report.compare_text((question.text, question.context), row.place)
            if question.id in questions:
                raise InputError(
                    f"A question's id must be unique. Received {question.id!r:.80} at {row.place} "
                    f"and at {questions[question.id].origin}. Give each question its own id."
                )
            questions[question.id] = question
        if len(questions) == before:
            raise InputError(
                f"A file of questions must not be empty. Received '{path}', which has no "
                "questions. Check the path."
            )
    return list(questions.values())


def misplaced(question: Question) -> str | None:
    """Returns an explanation if the first answer is not at its place in the context, or None."""
    if question.impossible:
        return None
    if not question.answers:
        return "there are no answers"
    text, start = question.answers[0]
    if start is None:
        return "there is no answer_start"
    there = question.context[start : start + len(text)] if start >= 0 else ""
    if there != text:
        elsewhere = question.context.find(text)
        hint = f"it begins at {elsewhere}" if elsewhere >= 0 else "it is not in the context"
        return f"the answer {text!r} does not begin at {start}, where the text is {there!r}; {hint}"
    return None


class _Row(NamedTuple):
    fields: Any
    context: Any
    place: str
    default_id: str | None


def _rows(lines: Iterable[str], name: str) -> Iterator[_Row]:
    """Yields the fields of each question, from one JSON document or from one on each line."""
    lines, document, broken = list(lines), None, None
    try:
        document = parse_json("".join(lines))
    except ValueError as error:
        broken = error
    if isinstance(document, dict) and "data" in document:
        yield from _published(document, name)
        return
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            fields = parse_json(line)
        except ValueError as error:
            # A first line "{" starts a document that is broken further below; report that place.
            whole = broken is not None and number == 1 and line.strip() == "{"
            place, problem = (getattr(broken, "lineno", 1), broken) if whole else (number, error)
            raise InputError(
                "A file of questions must be SQuAD's JSON with 'data', or have one JSON object on "
                f"each line. Received '{name}', whose line {place} is not valid JSON: {problem}. "
                "Check the file."
            ) from error
        context = fields.get("context") if isinstance(fields, dict) else None
        yield _Row(fields, context, f"'{name}' line {number}", str(number))


def _published(document: dict[str, Any], name: str) -> Iterator[_Row]:
    for i, article in enumerate(_list(document, "data", f"'{name}'")):
        for j, paragraph in enumerate(_list(article, "paragraphs", f"'{name}' article {i}")):
            place = f"'{name}' article {i} paragraph {j}"
            for k, fields in enumerate(_list(paragraph, "qas", place)):
                named = fields.get("id") if isinstance(fields, dict) else None
                where = f"'{name}' question {named!r:.80}" if named else f"{place} question {k}"
                if not isinstance(fields, dict):
                    raise _wrong("a question", "an object", fields, where)
                yield _Row(fields, paragraph.get("context"), where, None)


def _list(parent: Any, key: str, place: str) -> list[Any]:
    value = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(value, list):
        raise _wrong(key, "a list", value, place)
    return value


def _question(fields: Any, context: Any, place: str, default_id: str | None) -> Question:
    if not isinstance(fields, dict):
        raise _wrong("a question", "an object", fields, place)
    text = fields.get("question")
    for key, value in (("question", text), ("context", context)):
        if not isinstance(value, str):
            raise _wrong(key, "a string", value, place)
    name = fields.get("id", default_id)
    if not isinstance(name, (str, int)) or isinstance(name, bool):
        raise _wrong("id", "a string", name, place)
    answers = fields.get("answers")
    # An empty list of answers makes a question unanswerable even without "is_impossible".
    impossible = fields.get("is_impossible")
    if "is_impossible" not in fields:
        impossible = answers in ([], {}, {"text": [], "answer_start": []})
    if not isinstance(impossible, bool):
        raise _wrong("is_impossible", "true or false", impossible, place)
    answers = () if impossible else _answers(() if answers is None else answers, place)
    return Question(str(name), text, context, answers, impossible, place)


def _answers(value: Any, place: str) -> tuple[Answer, ...]:
    if isinstance(value, dict):
        texts, starts = value.get("text"), value.get("answer_start")
        if not isinstance(texts, list):
            raise _wrong("answers", "a list, or 'text' and 'answer_start' lists", value, place)
        starts = [None] * len(texts) if starts is None else starts
        if not isinstance(starts, list) or len(starts) != len(texts):
            raise _wrong(
                "answer_start", f"a list of {len(texts)} numbers, one for each text", starts, place
            )
        value = [dict(text=text, answer_start=start) for text, start in zip(texts, starts)]
    if not isinstance(value, (list, tuple)):
        raise _wrong("answers", "a list, or 'text' and 'answer_start' lists", value, place)
    answers = []
    for answer in value:
        text = answer.get("text") if isinstance(answer, dict) else None
        start = answer.get("answer_start") if isinstance(answer, dict) else None
        if not isinstance(text, str) or not text:
            raise _wrong("an answer's text", "a string that is not empty", answer, place)
        if start is not None and type(start) is not int:
            raise _wrong("answer_start", "a number of characters", start, place)
        answers.append(Answer(text, start))
    return tuple(answers)


def _wrong(key: str, kind: str, value: Any, place: str) -> InputError:
    shown = " ".join(json.dumps(value, ensure_ascii=False)[:80].split())
    return InputError(
        f"{key} must be {kind}. Received {shown} at {place}. "
        "Correct the file; see albert_tf/tasks/question_answering/squad.py for the layout."
    )
