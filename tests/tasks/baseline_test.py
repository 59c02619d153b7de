"""Baselines are those of scikit-learn's dummy models, and reports compare with them."""

import json
import random

import numpy as np
import pytest
from sklearn import dummy, metrics

from albert_tf.tasks import results
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tasks.fine_tuning_config import usual_rates
from albert_tf.tasks.multiple_choice.task import MultipleChoiceTask
from albert_tf.tasks.question_answering.task import QuestionAnsweringTask
from albert_tf.tasks.tagging.task import TaggingTask
from tests.support import choice_file, conll_file, squad_file, tiny_task

TEXTS = ["a file", "an object", "the list from one line"]


def table(path, labels):
    rows = ({"text": TEXTS[i % 3], "label": label} for i, label in enumerate(labels))
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def baseline(cls, path, **config):
    """Returns the baseline of a task on a file, its examples and the task."""
    task = tiny_task.task(cls, path, path, **config)
    examples = task.examples(task.task_config.validation_data)
    return task.baseline(examples), examples, task


@pytest.mark.parametrize("labels", ["bbaacbb", "ba" * 4 + "b"])
def test_classes(tmp_path, labels):
    scores, _, _ = baseline(ClassificationTask, table(tmp_path / "t.jsonl", labels))
    model = dummy.DummyClassifier(strategy="most_frequent")
    wanted = np.array(list(labels))
    predicted = model.fit(np.zeros([len(labels), 1]), wanted).predict(np.zeros([len(labels), 1]))
    average = {"average": "macro"} if "c" in labels else {"pos_label": "b"}
    assert scores["accuracy"] == metrics.accuracy_score(wanted, predicted)
    assert scores["f1"] == pytest.approx(metrics.f1_score(wanted, predicted, **average))
    assert scores["matthews_correlation"] == metrics.matthews_corrcoef(wanted, predicted) == 0


def test_numbers(tmp_path):
    labels = np.random.default_rng(3).normal(2.5, 1.5, 23).round(2)
    scores, _, _ = baseline(ClassificationTask, table(tmp_path / "t.jsonl", labels.tolist()))
    predicted = dummy.DummyRegressor().fit(np.zeros([23, 1]), labels).predict(np.zeros([23, 1]))
    wanted = metrics.mean_squared_error(labels, predicted)
    assert scores["mean_squared_error"] == pytest.approx(wanted, rel=1e-5)
    assert scores["pearson"] == scores["spearman"] == 0


def test_label_sets(tmp_path):
    cells = ["a;b", "a", "a;c", "", "a;b", "a", "b"]
    path = table(tmp_path / "t.jsonl", cells)
    scores, _, _ = baseline(ClassificationTask, path, label_separator=";")
    wanted = np.array([[name in cell for name in "abc"] for cell in cells])
    predicted = np.tile(wanted.mean(axis=0) > 0.5, [len(cells), 1])  # "a" alone
    assert predicted[0].tolist() == [True, False, False]
    assert scores["micro_f1"] == metrics.f1_score(wanted, predicted, average="micro")
    assert scores["subset_accuracy"] == metrics.accuracy_score(wanted, predicted) == 2 / 7
    shares = np.tile(wanted.mean(axis=0), [len(cells), 1])
    precision = metrics.average_precision_score(wanted, shares, average="macro")
    assert scores["average_precision"] == pytest.approx(precision)


def test_choices(tmp_path):
    scores, examples, _ = baseline(
        MultipleChoiceTask, choice_file.swag(tmp_path / "t.csv", 31, 5), max_qa_length=32
    )
    assert scores["accuracy"] == np.bincount(examples.labels["label"]).max() / 31


def test_tags(tmp_path):
    path = conll_file.write(tmp_path / "t.txt", 17, 3)
    scores, _, _ = baseline(TaggingTask, path)
    tags = [line.split()[-1] for line in path.read_text().splitlines()[1:] if line]
    assert scores["accuracy"] == pytest.approx(tags.count("O") / len(tags))
    assert scores["f1"] == 0


def test_unanswered_questions(tmp_path):
    path = squad_file.write(tmp_path / "t.json", 13, 3, impossible=0.3)
    scores, _, _ = baseline(QuestionAnsweringTask, path, max_query_length=8)
    data = json.loads(path.read_text())["data"]
    questions = [q for text in data for p in text["paragraphs"] for q in p["qas"]]
    unanswered = 100 * sum(q["is_impossible"] for q in questions) / len(questions)
    assert scores["exact"] == scores["f1"] == pytest.approx(unanswered) and unanswered > 10


def history(metric, value, baseline, distinct=2.0):
    evaluations = results.Results()
    evaluations.baseline = {metric: baseline, "distinct_answers": 1.0}
    evaluations.add({metric: value, "distinct_answers": distinct}, metric, 7, None, None)
    return evaluations


@pytest.mark.parametrize(
    ("metric", "value", "baseline", "learned"),
    [
        ("accuracy", 0.5, 0.5, False),
        ("accuracy", 0.51, 0.5, True),
        ("mean_squared_error", 0.4, 0.5, True),
        ("mean_squared_error", 0.6, 0.5, False),
    ],
)
def test_a_run_that_learned_nothing_says_what_to_try_first(metric, value, baseline, learned):
    text = results.text(history(metric, value, baseline), "", ("3e-4", "1e-3"))
    assert f"  {metric:<26}{value:9.4f}{baseline:10.4f}\n" in text
    assert text.splitlines()[3].split() == ["distinct_answers", "2.0000"]
    warning = (
        f"WARNING: nothing learned: {metric} is not better than that of the best answer that "
        f"ignores the texts, {baseline:.4f}. Compare rates first: --sweep LEARNING_RATE=3e-4,1e-3."
    )
    assert (warning in text) != learned


def test_the_report_of_a_task_compares_with_the_baseline_and_keeps_it(tmp_path):
    random.seed(5)
    path = table(tmp_path / "t.jsonl", random.choices("ab", k=40))
    task = tiny_task.task(ClassificationTask, path, path)
    tiny_task.evaluate(task, task.build_model())
    lines = [line.split() for line in task.report({}).splitlines()]
    wanted = task.baseline(task.examples(task.task_config.validation_data))
    assert [*lines[1]] == ["metric", "model", "baseline"]
    assert lines[2][0] == "accuracy" and lines[2][2] == f"{wanted['accuracy']:.4f}"
    task.write_results(tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text())["baseline"] == wanted
    assert results.Results(str(tmp_path)).baseline == wanted


def test_small_models_get_higher_rates():
    rates = [[float(rate) for rate in usual_rates(size)] for size in (32, 128, 312, 768, 4096)]
    assert rates[0] == rates[1] == [3e-4, 1e-3, 3e-3] and rates[3] == rates[4]
    assert all(sorted(r) == r for r in rates) and rates[1] > rates[2] > rates[3]
