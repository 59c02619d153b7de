"""Compares the metrics with a reference that follows the definition, and with official scripts."""

import random
import re
import string

import pytest
from official.nlp.tools import squad_evaluate_v1_1, squad_evaluate_v2_0

from albert_tf.errors import InputError
from albert_tf.tasks.question_answering import metrics as squad_metrics
from albert_tf.tasks.question_answering.squad import Answer, Question

WORDS = ["The", "tower", "a", "of", "Zoë", "1,000", "an", "bricks!", "(red)", "don't", "tower.", ""]


def clean(text):
    """Returns the words in lower case, without punctuation and articles."""
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return re.sub(r"\b(?:a|an|the)\b", " ", text).split()


def overlap(predicted, gold):
    """Returns F1, counting shared words one by one."""
    left, shared = list(gold), 0
    for word in predicted:
        if word in left:
            left.remove(word)
            shared += 1
    if not predicted or not gold:
        return float(predicted == gold)
    return 2.0 * shared / (len(predicted) + len(gold))


def reference(questions, predictions):
    """Returns exact match, F1, and whether there is an answer, for each question."""
    rows = []
    for question in questions:
        golds = [clean(a.text) for a in question.answers if clean(a.text)] or [[]]
        words = clean(predictions[question.id])
        exact = max(words == gold for gold in golds)
        rows.append((exact, max(overlap(words, gold) for gold in golds), bool(question.answers)))
    return rows


def percent(values):
    return 100.0 * sum(values) / len(values)


@pytest.fixture(params=range(4))
def predicted(request):
    """Random questions, a third without answers, with predictions and odds that include ties."""
    rng = random.Random(request.param)

    def text(least):
        return " ".join(rng.choices(WORDS, k=rng.randint(least, 4)))

    questions = [
        Question(
            f"q{i}",
            "?",
            "context",
            tuple(Answer(text(1), 0) for _ in range(rng.randint(1, 3))) if i % 3 else (),
        )
        for i in range(60)
    ]
    predictions = {
        q.id: q.answers[0].text if q.answers and rng.random() < 0.3 else text(0) for q in questions
    }
    odds = {q.id: float(rng.randint(-8, 8)) for q in questions}
    return questions, predictions, odds


def test_metrics_of_random_predictions_equal_the_reference(predicted):
    questions, predictions, _ = predicted
    metrics = squad_metrics.evaluate(questions, predictions)
    rows = reference(questions, predictions)
    groups = {
        "": rows,
        "HasAns_": [row for row in rows if row[2]],
        "NoAns_": [row for row in rows if not row[2]],
    }
    assert len(metrics) == 9
    for prefix, group in groups.items():
        assert metrics[f"{prefix}total"] == len(group)
        assert metrics[f"{prefix}exact"] == pytest.approx(percent([row[0] for row in group]))
        assert metrics[f"{prefix}f1"] == pytest.approx(percent([row[1] for row in group]))


@pytest.mark.parametrize(("name", "column"), [("exact", 0), ("f1", 1)])
def test_the_best_threshold_is_the_best_of_all_thresholds(predicted, name, column):
    questions, predictions, odds = predicted
    metrics = squad_metrics.evaluate(questions, predictions, odds)
    rows = reference(questions, predictions)

    def at(threshold):
        return percent(
            [
                row[column] if odds[question.id] <= threshold else not row[2]
                for question, row in zip(questions, rows)
            ]
        )

    best = max(at(threshold) for threshold in [-9.0, *set(odds.values())])
    assert metrics[f"best_{name}"] == pytest.approx(best)
    assert at(metrics[f"best_{name}_thresh"]) == pytest.approx(best)


def official(questions):
    """Returns questions in the layout of the official files."""
    rows = [
        {"id": q.id, "answers": [{"text": a.text, "answer_start": 0} for a in q.answers]}
        for q in questions
    ]
    return [{"paragraphs": [{"qas": rows}]}]


def test_the_official_script_of_2_0_gives_the_same_metrics(predicted):
    questions, predictions, _ = predicted
    # In its search for a threshold, and only there, it counts a bare article as an answer.
    predictions = {name: text if clean(text) else "" for name, text in predictions.items()}
    rng = random.Random(7)
    odds = {question.id: rng.random() for question in questions}  # All odds differ.
    ours = squad_metrics.evaluate(questions, predictions, odds)
    theirs = squad_evaluate_v2_0.evaluate(official(questions), predictions, odds)
    for name, value in ours.items():
        wanted = theirs[name.replace("best_", "final_")]
        if name.endswith("thresh") and wanted == 0.0:  # It means that no question is answered.
            assert value < min(odds.values())
        else:
            assert value == pytest.approx(wanted), name
    assert len(ours) == 13


def test_the_official_script_of_1_1_gives_the_same_metrics(predicted):
    questions, predictions, _ = predicted
    # It counts answers that become empty in normalisation differently.
    questions = [q for q in questions if q.answers and all(clean(a.text) for a in q.answers)]
    assert len(questions) > 15
    ours = squad_metrics.evaluate(questions, predictions)
    theirs = squad_evaluate_v1_1.evaluate(official(questions), predictions)
    assert ours["f1"] == pytest.approx(100 * theirs["final_f1"])
    assert ours["exact"] == pytest.approx(100 * theirs["exact_match"])


def test_there_are_no_groups_if_all_questions_have_answers():
    questions = [Question("a", "?", "c", (Answer("the Tower", 0),))]
    assert squad_metrics.evaluate(questions, {"a": "tower!"}) == dict(total=1, exact=100, f1=100)


def test_the_threshold_is_below_all_odds_if_no_answer_is_best():
    questions = [Question("a", "?", "c"), Question("b", "?", "c")]
    metrics = squad_metrics.evaluate(questions, {"a": "x", "b": "y"}, {"a": 3.0, "b": 2.0})
    assert (metrics["best_f1"], metrics["best_f1_thresh"]) == (100.0, 1.0)


def test_an_error_names_a_missing_prediction():
    questions = [Question("a", "?", "c"), Question("b", "?", "c")]
    with pytest.raises(InputError, match=r"Received no prediction for 1 of 2: b\. Predict"):
        squad_metrics.evaluate(questions, {"a": ""})
