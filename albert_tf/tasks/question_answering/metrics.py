"""The scores of SQuAD's official evaluation: exact match and F1 over words, in per cent.

Source: https://rajpurkar.github.io/SQuAD-explorer, evaluate-v2.0.py, whose rules are used for 1.1
too; there they differ from its own script only where an annotator's answer is nothing but articles
and punctuation. Two things are mended in the search for a threshold, so that the best score is one
that can be reached: it lies between different odds, never between equal ones, and below all of them
where no answer at all is best.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from albert_tf.errors import InputError
from albert_tf.tasks.question_answering.squad import Question

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


class Scores(NamedTuple):
    """Exact match and F1 of a question, both in [0, 1]."""

    exact: float
    f1: float


def normalize(answer: str) -> str:
    """Returns an answer in lower case without punctuation, articles and superfluous white space."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def score(prediction: str, answers: Iterable[str]) -> Scores:
    """Returns the best scores of a prediction against any answer; "" stands for no answer."""
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

    `exact`, `f1` and `total`; where some questions have no answer, the same of those that have one
    (`HasAns_*`) and of the others (`NoAns_*`); with odds, `best_exact`, `best_f1` and their
    thresholds: what would be if each question with odds above the threshold stayed unanswered.

    Args:
      questions: with their answers.
      predictions: an answer for each id, "" for none.
      null_odds: for each id, how sure the model is that there is no answer; then `predictions` are
        the answers regardless of that.

    Raises:
      InputError: a question has no prediction.
    """
    missing = [question.id for question in questions if question.id not in predictions]
    if missing:
        raise InputError(
            f"Each question must have a prediction. Received none for {len(missing)} of "
            f"{len(questions)}: {', '.join(missing[:10])}. Predict the same file."
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
    """Returns the best mean score in per cent, and the threshold that gives it.

    A question is answered if its odds of having no answer are not above the threshold.

    Args:
      scores: of each answer, if the question is answered.
      odds: of each question.
      answerable: whether it has an answer; a question without one scores 1 if not answered.
    """
    # Begin with no question answered, then answer them one by one, the surest first.
    order = sorted(range(len(odds)), key=odds.__getitem__)
    total = float(sum(not has for has in answerable))
    best, threshold = total, odds[order[0]] - 1.0
    for place, index in enumerate(order):
        total += scores[index] - (not answerable[index])
        is_last_of_equals = place + 1 == len(order) or odds[order[place + 1]] != odds[index]
        if is_last_of_equals and total > best + 1e-9:
            best, threshold = total, odds[index]
    return 100.0 * best / len(scores), threshold
