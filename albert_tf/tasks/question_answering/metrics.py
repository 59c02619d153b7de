"""The metrics of SQuAD's official evaluation: exact match and F1 over words, in per cent.

Source: https://rajpurkar.github.io/SQuAD-explorer, evaluate-v2.0.py. The same rules are used for
SQuAD 1.1. They differ from the script for 1.1 only if an annotator's answer consists entirely of
articles and punctuation. The search for a threshold has two corrections, so that the best score can
actually be reached: the threshold never separates questions with equal odds, and it is below all
odds if answering no question is best.

`by_first_word` and `draw` report answers as a table and a plot.
"""

from __future__ import annotations

import re
import string
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from albert_tf.errors import InputError
from albert_tf.tasks.question_answering.span_decoding import Answer
from albert_tf.tasks.question_answering.squad import Question

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


class Scores(NamedTuple):
    """The exact match and F1 of a question, both in [0, 1]."""

    exact: float
    f1: float


def normalize(answer: str) -> str:
    """Returns an answer in lower case without punctuation, articles and extra white space."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def score(prediction: str, answers: Iterable[str]) -> Scores:
    """Returns the best scores of a prediction over all answers; "" means no answer."""
    golds = [gold for gold in map(normalize, answers) if gold] or [""]
    predicted = normalize(prediction)
    return Scores(
        max(float(predicted == gold) for gold in golds),
        max(_f1(predicted.split(), gold.split()) for gold in golds),
    )


def _f1(predicted: Sequence[str], gold: Sequence[str]) -> float:
    if not predicted or not gold:
        return float(predicted == gold)
    common = (Counter(predicted) & Counter(gold)).total()
    if not common:
        return 0.0
    precision, recall = common / len(predicted), common / len(gold)
    return 2 * precision * recall / (precision + recall)


def evaluate(
    questions: Sequence[Question],
    predictions: Mapping[str, str],
    null_odds: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Returns the metrics of a set of predictions by their official names.

    They are `exact`, `f1` and `total`. If some questions have no answer, the same metrics follow
    for questions with an answer (`HasAns_*`) and without (`NoAns_*`). With odds, there are also
    `best_exact`, `best_f1` and their thresholds: the best scores that result if questions with odds
    above the threshold are left unanswered.

    Args:
      questions: the questions with their answers.
      predictions: an answer for each id; "" for no answer.
      null_odds: for each id, the odds that there is no answer. In this case, `predictions` must
        have an answer even if the odds are high.

    Raises:
      InputError: a question has no prediction.
    """
    missing = [question.id for question in questions if question.id not in predictions]
    if missing:
        raise InputError(
            f"Each question must have a prediction. Received no prediction for {len(missing)} of "
            f"{len(questions)}: {', '.join(missing[:10])}. Predict the file that you evaluate."
        )
    rows = [
        score(predictions[question.id], [answer.text for answer in question.answers])
        for question in questions
    ]
    answerable = [bool(question.answers) for question in questions]
    metrics = _means(rows, "")
    if not all(answerable):
        metrics |= _means([row for row, has in zip(rows, answerable) if has], "HasAns_")
        metrics |= _means([row for row, has in zip(rows, answerable) if not has], "NoAns_")
    if null_odds is not None:
        odds = [null_odds[question.id] for question in questions]
        for name, values in zip(Scores._fields, zip(*rows)):
            best, threshold = best_threshold(values, odds, answerable)
            metrics |= {f"best_{name}": best, f"best_{name}_thresh": threshold}
    return metrics


def _means(rows: Sequence[Scores], prefix: str) -> dict[str, float]:
    metrics = {f"{prefix}total": float(len(rows))}
    for name, values in zip(Scores._fields, zip(*rows)):
        metrics[prefix + name] = 100.0 * sum(values) / len(rows)
    return metrics


def best_threshold(
    scores: Sequence[float], odds: Sequence[float], answerable: Sequence[bool]
) -> tuple[float, float]:
    """Returns the best mean score in per cent, and the threshold that achieves it.

    A question is answered unless its null odds are above the threshold.

    Args:
      scores: the score of each question if it is answered.
      odds: the null odds of each question.
      answerable: whether each question has an answer; one without scores 1 if left unanswered.
    """
    # Start with all questions unanswered, then answer one after another, most confident first.
    order = sorted(range(len(odds)), key=odds.__getitem__)
    total = float(sum(not has for has in answerable))
    best, threshold = total, odds[order[0]] - 1.0
    for place, index in enumerate(order):
        total += scores[index] - (not answerable[index])
        is_last_of_equals = place + 1 == len(order) or odds[order[place + 1]] != odds[index]
        if is_last_of_equals and total > best + 1e-9:
            best, threshold = total, odds[index]
    return 100.0 * best / len(scores), threshold


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
