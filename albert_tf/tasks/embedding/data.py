"""Reads rows of tables as examples to train embeddings: pairs, scores, premises or single texts."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple

from albert_tf.data.row_report import RowReport
from albert_tf.data.tables import Row
from albert_tf.errors import InputError, closest
from albert_tf.tasks.embedding.config import (
    NLI,
    PAIRS,
    SCORES,
    TEXTS,
    EmbeddingConfig,
    Layout,
    score_range,
)

_REMEDY = "Fill it in, or leave such rows out with SKIP_BROKEN_ROWS=True."


class Example(NamedTuple):
    """What a loss is computed of.

    Attributes:
      where: the place of the row.
      texts: one text, two that belong together or have a score, or these and a hard negative, ""
        for none.
      score: the score as it is in the file; None without scores.
      target: the cosine that the score stands for.
    """

    where: str
    texts: tuple[str, ...]
    score: str | None = None
    target: float = 1.0


def read(
    rows: Iterable[Row], layout: Layout, config: EmbeddingConfig, report: RowReport
) -> Iterable[Example]:
    """Returns the examples of the rows of tables; a list if they had to be read as a whole.

    Raises:
      InputError: a text is missing, a score or a label is invalid, and the report does not leave
        broken rows out.
    """
    return _OF[layout.objective](_with_texts(rows, layout, report), layout, config, report)


def _with_texts(rows: Iterable[Row], layout: Layout, report: RowReport) -> Iterator[Row]:
    """Yields the rows that have the one text or both texts."""
    for row in rows:
        for column in layout.texts[:2]:
            if not row.fields[column].strip():
                report.broken(
                    f"the text in column {column!r} is empty",
                    row.where,
                    "Each text to train on must have text. Received an empty field in column "
                    f"{column!r}, {row.where}. {_REMEDY}",
                )
                break
        else:
            yield row


def _texts(
    rows: Iterable[Row], layout: Layout, config: EmbeddingConfig, report: RowReport
) -> Iterator[Example]:
    for where, fields in rows:
        texts = tuple([fields[name] for name in layout.texts])
        if len(texts) > 2 and not texts[2].strip():
            report.remark("have no hard negative, only the other rows of their batch", where)
            texts = (*texts[:2], "")
        report.compare_text(texts, where)
        yield Example(where, texts)


def _scores(
    rows: Iterable[Row], layout: Layout, config: EmbeddingConfig, report: RowReport
) -> Iterator[Example]:
    low, high = score_range(config)
    for where, fields in rows:
        text = fields[layout.label]
        try:
            score = float(text)
        except ValueError:
            score = math.nan
        if not low <= score <= high:
            report.broken(
                "the score is not a number in SCORE_RANGE",
                where,
                f"A score must be a number from {low:g} to {high:g}, as SCORE_RANGE says. Received "
                f"{text!r:.80} in column {layout.label!r}, {where}. Correct it, set SCORE_RANGE, "
                "or leave such rows out with SKIP_BROKEN_ROWS=True.",
            )
            continue
        texts = fields[layout.text], fields[layout.second_text]
        report.compare_text(texts, where, text)
        yield Example(where, texts, text, (score - low) / (high - low))


def _of_premises(
    rows: Iterable[Row], layout: Layout, config: EmbeddingConfig, report: RowReport
) -> list[Example]:
    """Returns a premise with each of its entailments and, as a hard negative, a contradiction.

    The contradictions of a premise are used in turn. A premise without one is kept with none: its
    negatives are the other rows of the batch.
    """
    entailed: dict[str, list[tuple[str, str]]] = defaultdict(list)
    contradicted: dict[str, list[tuple[str, str]]] = defaultdict(list)
    others: Counter[str] = Counter()
    for where, fields in rows:
        label, hypothesis = fields[layout.label].strip(), (fields[layout.second_text], where)
        if label == config.entailment:
            entailed[fields[layout.text]].append(hypothesis)
        elif label == config.contradiction:
            contradicted[fields[layout.text]].append(hypothesis)
        else:
            others[label] += 1
            report.leave_out(f"the label {label!r:.40} makes no pair", where)
    if others and not entailed:
        raise InputError(
            f"Premises need hypotheses with the label {config.entailment!r}. Received no such "
            f"row in column {layout.label!r}. {closest(config.entailment, others)} Set "
            "ENTAILMENT and CONTRADICTION to the labels of the files."
        )
    examples = []
    for premise, hypotheses in entailed.items():
        negatives = contradicted.pop(premise, [])
        for number, (hypothesis, where) in enumerate(hypotheses):
            negative = negatives[number % len(negatives)][0] if negatives else ""
            if not negatives:
                report.remark("have no contradiction of their premise as a hard negative", where)
            report.compare_text((premise, hypothesis), where)
            examples.append(Example(where, (premise, hypothesis, negative)))
        for _, where in negatives[len(hypotheses) :]:
            report.leave_out("its premise has more contradictions than entailments", where)
    for negatives in contradicted.values():
        for _, where in negatives:
            report.leave_out("a contradiction whose premise has no entailment", where)
    return examples


_OF: dict[str, Callable[..., Iterable[Example]]] = {
    PAIRS: _texts,
    TEXTS: _texts,
    SCORES: _scores,
    NLI: _of_premises,
}


def groups(examples: Sequence[Example], most: float) -> list[tuple[Hashable, Hashable]]:
    """Returns the group of each example, and the stratum to hold out a fraction of groups.

    Examples that share a text, directly or by way of others, are in one group. A group of more than
    `most` examples has a stratum of its own, of which nothing is held out.
    """
    parents: dict[str, str] = {}

    def root(text: str) -> str:
        while (parent := parents.setdefault(text, text)) != text:
            parents[text] = parents[parent]  # Shortens the path for the next search.
            text = parent
        return text

    for example in examples:
        roots = [root(text) for text in example.texts if text]
        first = min(roots)  # The group does not depend on the order of the examples.
        for other in roots:
            parents[other] = first
    found = [root(example.texts[0]) for example in examples]
    sizes = Counter(found)
    return [(group, group if sizes[group] > most else "") for group in found]
