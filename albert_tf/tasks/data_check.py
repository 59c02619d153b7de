"""Checks labelled files before a training: counts, lengths, labels and repeats.

Files are read by the task that would train on them, with its settings. So rows that are left out
here are those that training leaves out, and an error here is an error there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from official.core import task_factory

from albert_tf import task_types
from albert_tf.config import AlbertConfig
from albert_tf.data.row_report import Places, RowReport
from albert_tf.errors import InputError
from albert_tf.tasks.fine_tuning import FineTuningTask
from albert_tf.tasks.fine_tuning_config import FineTuningConfig, FineTuningDataConfig
from albert_tf.tasks.starting_point import StartingPoint
from albert_tf.tasks.task_files import Facts
from albert_tf.tokenization.packing import special_count
from albert_tf.tokenization.tokenizer import AlbertTokenizer

_SHOWN = 20  # Labels of a table; the others are counted.
# The shares of rows whose longest length is shown.
_SHARES = (0.5, 0.9, 0.95, 0.99, 1.0)


class _Report(RowReport):
    """Leaves broken rows out, and counts those that would stop training."""

    def __init__(self, unit: str) -> None:
        super().__init__(unit, skip_broken=True)
        self.stopping = 0

    def broken(self, reason: str, place: str, problem: str) -> None:
        self.stopping += 1
        super().broken(reason, place, problem)


class _Part(NamedTuple):
    """The training or the evaluation data."""

    name: str
    files: str
    seq_length: int
    report: _Report
    facts: list[Facts]


def check(config: FineTuningConfig) -> str:
    """Returns what is in the files of a task, as text.

    Args:
      config: the config of a training; lengths are in tokens if it has initial weights or a
        vocabulary.

    Raises:
      InputError: there is no training data, or a file breaks a rule that no setting forgives.
    """
    fraction, config.eval_fraction = config.eval_fraction, 0.0
    task: FineTuningTask = task_factory.get_task(config)
    source = config.vocab_file or config.init_from
    tokenizer = AlbertTokenizer.from_pretrained(source) if source else None
    task.start_from(StartingPoint(AlbertConfig(), tokenizer))  # Reading needs no weights.
    parts = [
        _read(task, name, params)
        for name, params in (
            ("training", config.train_data),
            ("evaluation", config.validation_data),
        )
        if params.input_path or params.tfds_name
    ]
    if not parts or parts[0].name != "training":
        raise InputError(
            "A check of data needs training data. Received an empty TRAIN_DATA. Set "
            "--gin.TRAIN_DATA=FILE."
        )
    has_numbers = task.has_numbers([label for fact in parts[0].facts for label in fact.labels])
    lines = []
    for part in parts:
        lines += [f"{part.name}: {part.files}", *_text(task, part, has_numbers, tokenizer), ""]
    if fraction:
        lines += [f"evaluation: a part of the training data, EVAL_FRACTION={fraction}", ""]
    if len(parts) == 2:
        named = [] if has_numbers else list(getattr(config, "labels", ()))
        both = _compare(*parts, named, has_numbers)
        lines += ["evaluation and training", *map("  {}".format, str(both).splitlines())]
        lines += [] if both.remarks else ["  no text is in both"]
    return "\n".join(lines).rstrip()


def _read(task: FineTuningTask, name: str, params: FineTuningDataConfig) -> _Part:
    report = _Report(task.UNIT)
    facts = [task.facts(row) for row in task.rows(params, True, report)]
    report.forget()
    if not facts:
        for _ in task.rows(params, True, RowReport(task.UNIT)):  # Raises the error of the first.
            pass
        raise InputError(
            "Training and evaluation data must contain examples. Received 0 examples in "
            f"{params.input_path or params.tfds_name!r}. Check the path."
        )
    return _Part(name, str(params.input_path or params.tfds_name), params.seq_length, report, facts)


def _text(
    task: FineTuningTask, part: _Part, has_numbers: bool, tokenizer: AlbertTokenizer | None
) -> Iterator[str]:
    report = part.report
    yield _line(f"{report.unit}s", f"{report.rows:,}")
    yield _line("examples", f"{len(part.facts):,}")
    blank = Places()
    for fact in part.facts:
        if not all(text.strip() for texts in fact.sequences for text in texts):
            blank.add(fact.where)
    yield from map("  {}".format, str(report).splitlines())
    if blank.count:
        yield f"  {blank.count:,} {report.unit}(s) have an empty text: {blank}"
    if report.stopping and not getattr(task.task_config, task.SKIPS, False):
        yield (
            f"  {report.stopping:,} {report.unit}(s) that are left out would stop the training: "
            f"correct them, or set {task.SKIPS.upper()}=True"
        )
    yield from _numbers(part) if has_numbers else _labels(task, part)
    yield from _lengths(task, part, tokenizer)


def _numbers(part: _Part) -> Iterator[str]:
    count, others, counts = len(part.facts[0].labels), Places(), Places()
    columns: list[list[float]] = [[] for _ in range(count)]
    for fact in part.facts:
        if len(fact.labels) != count:
            counts.add(f"{fact.where} ({len(fact.labels)})")
        for label, values in zip(fact.labels, columns):
            try:
                values.append(float(label))
            except ValueError:
                others.add(f"{fact.where} ({label!r:.40})")
    for number, values in enumerate(columns, 1):
        if values:
            mean = sum(values) / len(values)
            name = "numbers" if count == 1 else f"number {number} of {count}"
            yield _line(name, f"least {min(values):g}, mean {mean:g}, most {max(values):g}")
    if others.count:
        yield f"  {others.count:,} label(s) are not numbers and would stop the training: {others}"
    if counts.count:
        yield (
            f"  {counts.count:,} row(s) do not have {count} number(s) and would stop the training: "
            f"{counts}"
        )


def _labels(task: FineTuningTask, part: _Part) -> Iterator[str]:
    labels = Counter(label for fact in part.facts for label in fact.labels)
    entities = Counter(kind for fact in part.facts for kind in fact.entities)
    has_labels = task_types.get(task.MODEL.TASKS[0]).has_labels
    if not (has_labels or labels):
        return
    yield from _table("labels", labels)
    yield from _table("entities", entities) if entities else ()
    if has_labels and len(labels) < 2:
        yield "  a model needs at least two labels to learn from"
    several = Counter(len(fact.labels) for fact in part.facts)
    if not entities and task.MODEL.TASKS[0] != "tagging" and set(several) != {1}:
        yield _line("labels per row", _joined(f"{n}: {c:,}" for n, c in sorted(several.items())))


def _table(title: str, counts: Counter) -> Iterator[str]:
    total = counts.total()
    yield _line(title, f"{len(counts):,} different, {total:,} in all")
    for name, count in counts.most_common(_SHOWN):
        yield _line(f"  {name:.40}", f"{count:<9,} {count / total:.1%}")
    if len(counts) > _SHOWN:
        yield _line("  others", f"{len(counts) - _SHOWN:,} labels")


def _lengths(task: FineTuningTask, part: _Part, tokenizer: AlbertTokenizer | None) -> Iterator[str]:
    """Yields the lengths of the longest sequence of each row, in tokens if there is a tokenizer."""
    if tokenizer is None:
        yield _line("words", _quantiles(_longest(part.facts, lambda text: len(text.split()))))
        yield _line("characters", _quantiles(_longest(part.facts, len)))
        yield _line("tokens", "unknown: set INIT_FROM or VOCAB")
        return
    texts = list({text for fact in part.facts for texts in fact.sequences for text in texts})
    counts = {text: len(ids) for text, ids in zip(texts, tokenizer.encode_batch(texts))}
    lengths = _longest(part.facts, counts.__getitem__, special_count)
    yield _line("tokens", _quantiles(lengths))
    longer = Places()
    for index in np.flatnonzero(lengths > part.seq_length):
        longer.add(part.facts[index].where)
    if longer.count:
        yield (
            f"  {longer.count:,} {part.report.unit}(s) ({longer.count / len(lengths):.1%}) "
            f"{task.longer} because they are longer than SEQ_LENGTH={part.seq_length}: {longer}"
        )


def _longest(facts: Sequence[Facts], length: Any, special: Any = lambda segments: 0) -> np.ndarray:
    """Returns the length of the longest sequence of each row, int [N]."""
    return np.array(
        [
            max(
                (special(len(texts)) + sum(map(length, texts)) for texts in fact.sequences),
                default=0,
            )
            for fact in facts
        ]
    )


def _quantiles(lengths: np.ndarray) -> str:
    values = np.quantile(lengths, _SHARES, method="inverted_cdf")
    names = ("half up to", *(f"{share:.0%} up to" for share in _SHARES[1:-1]), "longest")
    return _joined(f"{name} {value:,}" for name, value in zip(names, values))


def _compare(
    training: _Part, evaluation: _Part, named: Sequence[str], has_numbers: bool
) -> RowReport:
    """Returns a report of evaluation rows that training has too, or whose label it lacks."""
    report = RowReport(evaluation.report.unit)
    known: Mapping[Any, Facts] = {fact.sequences: fact for fact in reversed(training.facts)}
    shared = {fact.shared for fact in training.facts}
    labels = {*named, *(label for fact in training.facts for label in fact.labels)}
    for fact in evaluation.facts:
        if fact.sequences in known:
            there = known[fact.sequences]
            more = "" if there.labels == fact.labels else " with another label"
            report.remark(
                f"of evaluation have the text of one of training{more}",
                f"{fact.where} (at {there.where})",
            )
        elif fact.shared and fact.shared in shared:
            report.remark("of evaluation are about a text that training has too", fact.where)
        for label in () if has_numbers else set(fact.labels) - labels:
            report.remark(
                f"of evaluation have the label {label!r:.40}, unknown to training", fact.where
            )
    return report


def _line(name: str, value: str) -> str:
    return f"  {name:<22}{value}"


def _joined(parts: Any) -> str:
    return ", ".join(parts)
