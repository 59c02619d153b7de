"""Reports on answers beyond their mean scores: a table by kind of question, and a curve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from albert_tf.tasks.question_answering.metrics import Scores, score
from albert_tf.tasks.question_answering.span_decoding import Answer

# All other questions form one group.
_FIRST_WORDS = ("what", "who", "when", "where", "which", "why", "how", "in")


def by_first_word(answers: Sequence[Answer], threshold: float | None) -> str:
    """Returns a table with the number, exact match and F1 of questions by their first word.

    Args:
      answers: the answers of an evaluation.
      threshold: the null odds above which a question is left unanswered; None to answer all.
    """
    groups: dict[str, list[Scores]] = defaultdict(list)
    for answer in answers:
        word = answer.question.text.split()[0].lower()
        group = word if word in _FIRST_WORDS else "other"
        groups[group].append(_score(answer, answer.text(threshold)))
    lines = [f"{'first word':<12}{'questions':>10}{'exact':>9}{'f1':>9}"]
    for name, scores in sorted(
        groups.items(), key=lambda item: (item[0] == "other", -len(item[1]))
    ):
        exact, f1 = np.mean(scores, axis=0) * 100
        lines.append(f"{name:<12}{len(scores):>10,}{exact:>9.2f}{f1:>9.2f}")
    return "\n".join(lines)


def draw(answers: Sequence[Answer], folder: Path) -> list[Path]:
    """Writes precision_coverage.png and returns its path in a list.

    It plots the mean scores of the most confident answers over their share of all questions.
    Confidence is measured by low null odds.
    """
    from albert_tf.tasks.results import figure

    ranked = sorted(answers, key=lambda answer: answer.null_odds)
    scores = np.array([_score(answer, answer.text(None)) for answer in ranked])  # [N, 2]
    count = np.arange(1, len(ranked) + 1)
    path = folder / "precision_coverage.png"
    with figure(path) as axes:
        for name, values in zip(Scores._fields, scores.T):
            axes.plot(count / len(ranked), np.cumsum(values) / count, label=name)
        axes.set(xlabel="share of questions answered", ylabel="score of the answers")
        axes.set_ylim(0, 1.02)
        axes.legend()
    return [path]


def _score(answer: Answer, text: str) -> Scores:
    return score(text, [gold.text for gold in answer.question.answers])
