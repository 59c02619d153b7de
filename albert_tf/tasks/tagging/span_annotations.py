"""Reads raw texts with spans of characters that have a label, as annotation tools export them.

A file has a JSON value on each line, or is one JSON list. The layout of each value is recognised:

- doccano: {"text", "label": [[start, end, label]]}, or "entities": [{"start_offset", "end_offset",
  "label"}]; "labels" and "spans" are read too, and so are objects with "start" and "end";
- Prodigy: {"text", "spans": [{"start", "end", "label"}], "answer"};
- spaCy: [text, {"entities": [[start, end, label]]}];
- Label Studio's JSON: {"data": {"text"}, "annotations": [{"result": [{"value": {"start", "end",
  "labels"}}]}]};
- Label Studio's JSON-MIN: {"text", "label": [{"start", "end", "labels"}]}.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from albert_tf.data import json_lines
from albert_tf.data.row_report import RowReport
from albert_tf.data.text_lines import read_lines
from albert_tf.errors import InputError
from albert_tf.files import parse_json
from albert_tf.tasks.tagging import span_words
from albert_tf.tasks.tagging.sentence import Sentence
from albert_tf.tasks.tagging.span_words import Broken, Settings, Span

_FIELDS = ("spans", "entities", "label", "labels")
_STARTS, _ENDS = ("start", "start_offset"), ("end", "end_offset")
# A JSON list or object and its first entry; a word of a CoNLL file may be a bracket too.
_JSON = re.compile(r'\s*[\[{]\s*[\[{"\]}]')
_HELP = "See docs/tagging.md for the layouts."


class _Value(NamedTuple):
    """A value of a file, the number of its line or entry, and where it is."""

    value: Any
    number: int
    where: str


def matches(path: Path, labelled: bool = True) -> bool:
    """Returns whether a file has JSON, by its name or its contents.

    Args:
      path: the file.
      labelled: whether it has labels, so that broken JSON is no other text.
    """
    if json_lines.is_json_lines(path):
        return True
    lines = (line for line in read_lines(path) if line.strip())
    first = next(lines, "")
    if labelled:
        return bool(_JSON.match(first[:200] + next(lines, "")[:200]))
    try:
        value = parse_json(first) if _JSON.match(first) else None
    except ValueError:
        return False
    return isinstance(value, dict) or any(map(_is_object, value or ()))


def read(
    path: Path,
    settings: Settings,
    labelled: bool = True,
    report: RowReport | None = None,
) -> Iterator[Sentence]:
    """Yields the texts of a file as words, whose labels are IOB2.

    Args:
      path: the file.
      settings: how texts become words, and spans labels of words.
      labelled: whether to read spans; without them, each text is one of the result.
      report: counts the texts, and takes those that are left out; it decides whether those with a
        broken span are left out or are errors, as they are without a report.

    Raises:
      InputError: the file is not JSON, or a text or a span breaks a rule; the error names the line.
    """
    report = RowReport("text") if report is None else report
    name = str(path)
    for value, number, where in _values(path):
        report.rows += 1

        def remark(text: str, where: str = where) -> None:
            report.remark(text, where)

        try:
            text = _text(value, where)
            words, places = span_words.cut(text, settings.words)
            sentence = Sentence(words, (), number, name, text, places, where)
            if not labelled:
                yield sentence
                continue
            spans, reason = _spans(value, where, remark)
            if not reason and not words:
                reason = "its text has no word"
            if reason:
                report.leave_out(reason, where)
                continue
            labels = span_words.labels(text, places, spans, settings, where, remark)
        except Broken as error:
            report.broken(error.reason, where, str(error))
            continue
        report.compare_text((text,), where, " ".join(labels))
        yield Sentence(words, labels, number, name, text, places, where)


def read_lines_of_text(path: Path, rule: str, report: RowReport) -> Iterator[Sentence]:
    """Yields the words of each line of a file, as texts without labels; lines may be blank.

    Args:
      path: the file.
      rule: how texts are cut into words; see `tokenization.words`.
      report: counts the lines.
    """
    for number, line in enumerate(read_lines(path), start=1):
        report.rows += 1
        text = line.rstrip("\r\n")
        words, places = span_words.cut(text, rule)
        yield Sentence(words, (), number, str(path), text, places, f"'{path}' line {number}")


def _values(path: Path) -> Iterator[_Value]:
    """Yields the values of a file: one on each line, or the entries of a list."""
    first = next((line for line in read_lines(path) if line.strip()), "")
    value = None
    try:
        value = parse_json(first) if first else None
        is_document = isinstance(value, list) and not _is_row(value)
    except ValueError:
        is_document = first.strip()[:1] in "[{" and not first.strip().startswith('{"')
    if not is_document:
        for number, line in enumerate(read_lines(path), start=1):
            if line.strip():
                where = f"'{path}' line {number}"
                yield _Value(_parsed(line, where), number, where)
        return
    entries = _parsed("".join(read_lines(path)), f"'{path}'")
    entries = entries if isinstance(entries, list) and not _is_row(entries) else [entries]
    for number, entry in enumerate(entries, start=1):
        yield _Value(entry, number, f"'{path}' entry {number}")


def _is_row(value: list) -> bool:
    """Returns whether a list is a text with its spans, as spaCy has them."""
    return bool(value) and isinstance(value[0], str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _parsed(text: str, where: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        raise InputError(
            "Texts with spans must be a JSON value on each line, or one JSON list. Received "
            f"{where}: {error}. Correct it. {_HELP}"
        ) from error


def _text(value: Any, where: str) -> str:
    if isinstance(value, list):
        text = value[0] if value else None
    else:
        fields = value if _is_object(value) else {}
        data = fields.get("data")  # An object of Label Studio, or the text in older doccano.
        text = data.get("text") if _is_object(data) else fields.get("text", data)
    if not isinstance(text, str):
        raise Broken(
            "it has no text",
            "A row of spans must have its text as a string in the field 'text'. Received "
            f"{_shown(value)} in {where}. Correct it. {_HELP}",
        )
    return text


def _spans(value: Any, where: str, remark: Callable[[str], None]) -> tuple[list[Span], str]:
    """Returns the spans of a value, or the reason why it is left out.

    Raises:
      Broken: it has no spans, or one of them has another layout.
    """
    entries: Any = None
    if isinstance(value, list):
        fields = value[1] if len(value) == 2 else None
        entries = fields.get("entities") if _is_object(fields) else None
    elif _is_object(value.get("data")):
        entries, reason = _of_label_studio(value, remark)
        if reason:
            return [], reason
    else:
        answer = value.get("answer", "accept")
        if answer != "accept":
            return [], f"its answer is {answer!r:.40}"
        found = [value[name] for name in _FIELDS if isinstance(value.get(name), list)]
        # Without a span, Prodigy and JSON-MIN write no list.
        blank = [] if {"answer", "annotator", "annotation_id"} & value.keys() else None
        entries = found[0] if found else blank
        if value.get("relations"):
            remark("have relations, which are not read")
    if not isinstance(entries, list):
        raise Broken(
            "it has no spans",
            f"A text to train on must have a list of spans in one of the fields "
            f"{', '.join(_FIELDS)}, which may be empty. Received {_shown(value)} in {where}. "
            f"Correct it. {_HELP}",
        )
    return [span for entry in entries for span in _span(entry, where)], ""


def _of_label_studio(
    value: dict[str, Any], remark: Callable[[str], None]
) -> tuple[list[Any] | None, str]:
    """Returns the spans of the first annotation of a task, or the reason why it is left out."""
    annotations = value.get("annotations")
    if not isinstance(annotations, list) or not all(map(_is_object, annotations)):
        return None, ""
    kept = [entry for entry in annotations if not entry.get("was_cancelled")]
    if not kept:
        return None, "its annotation was skipped" if annotations else "it has no annotation"
    if len(kept) > 1:
        kept.sort(key=lambda entry: not entry.get("ground_truth"))
        remark("have several annotations, of which one was read")
    results = kept[0].get("result")
    if not isinstance(results, list):
        return None, ""
    values = [entry.get("value") for entry in results if _is_object(entry)]
    spans = [entry for entry in values if _is_object(entry) and "labels" in entry]
    if len(spans) < len(results):
        remark("have results that are not spans, which are not read")
    return spans, ""


def _span(entry: Any, where: str) -> Iterator[Span]:
    """Yields a span once for each of its labels."""
    text = None
    if isinstance(entry, list) and len(entry) in (3, 4):  # spaCy's may have the id of the entity.
        start, end, labels = entry[:3]
    elif _is_object(entry):
        start, end = (
            next((entry[name] for name in names if name in entry), None)
            for names in (_STARTS, _ENDS)
        )
        labels, text = entry.get("label", entry.get("labels")), entry.get("text")
    else:
        start = end = labels = None
    labels = labels if isinstance(labels, list) else [labels]
    if type(start) is not int or type(end) is not int:
        raise Broken(
            "a span has no start and end",
            "A span must have a start and an end, whole numbers of characters, and a label. "
            f"Received {_shown(entry)} in {where}. Correct it. {_HELP}",
        )
    for label in labels:
        if not isinstance(label, str) or not label.strip():
            raise Broken(
                "the label of a span is not a name",
                f"The label of a span must be a string that is not empty. Received {_shown(entry)} "
                f"in {where}. Correct it.",
            )
        yield Span(start, end, label.strip(), text if isinstance(text, str) else None)


def _shown(value: Any) -> str:
    return " ".join(json.dumps(value, ensure_ascii=False)[:120].split())
