"""Labels in a column each, and a threshold for each label."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from sklearn.metrics import f1_score

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.export import manifest, task_model
from albert_tf.tasks.classification import problems
from albert_tf.tasks.classification.config import ClassificationConfig
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tasks.predictor import Predictor
from albert_tf.training import epochs
from tests.support import tiny_task
from tests.tasks.classification.multi_label_test import OF_LABEL, learnable

NAMES = tuple(OF_LABEL)


def write(path, rows, columns=NAMES):
    """Writes a table with a column for each label; `rows` have texts and cells."""
    lines = [",".join(("text", *columns)), *(",".join((text, *cells)) for text, cells in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def switches(labels):
    return ["1" if name in labels else "0" for name in NAMES]


def task_of(path, **config):
    config = {"label": ",".join(NAMES), **config}
    return tiny_task.task(ClassificationTask, path, seq_length=16, **config)


def test_columns_have_0_or_1_for_each_label(tmp_path):
    rows = [
        ("the file", "1.0", "0", "True"),
        ("see", " 0", "0.0", "false"),
        ("a list", "0", "1", "1"),
    ]
    path = write(tmp_path / "a.csv", [(text, cells) for text, *cells in rows])
    task = task_of(path)
    assert (task.describe().task, task.describe().labels) == ("multi_label", NAMES)
    labels = task.examples(task.task_config.train_data).labels["label"]
    assert labels.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 1]]
    config = ClassificationConfig(label=",".join(NAMES))
    assert epochs.steps(str(path), 1, 1, config) == 3
    lines = [json.dumps({"text": "x", **dict(zip(NAMES, (1, 0, 0)))})]
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n")
    task = task_of(tmp_path / "a.jsonl", labels=["data", "code", "io"])
    assert task.examples(task.task_config.train_data).labels["label"].tolist() == [[0, 0, 1]]


def test_columns_have_the_numbers_of_a_regression(tmp_path):
    path = write(
        tmp_path / "a.csv", [("the file", ["1", "-2.5", "3e1"]), ("see", ["0", ".5", "7"])]
    )
    task = task_of(path, problem="regression")
    assert (task.describe().task, task.describe().labels) == ("regression", NAMES)
    numbers = task.examples(task.task_config.train_data).labels["label"]
    assert numbers.tolist() == [[1, -2.5, 30], [0, 0.5, 7]]
    write(path, [("the file", ["1", "-2.5", "many"])])
    with pytest.raises(InputError, match="must be a number. Received '\"many\"' in line 2 of"):
        task_of(path, problem="regression")


@pytest.mark.parametrize("cell", ["2", "", "yes", "-1", "0.5", "[1]"])
def test_a_cell_that_is_neither_0_nor_1_is_an_error_or_left_out(cell, tmp_path):
    path = write(tmp_path / "a.csv", [("see", ["0", "1", "0"]), ("the file", ["1", cell, "0"])])
    message = f"must have 0 or 1. Received '{cell}' in column '{NAMES[1]}', line 3 of"
    with pytest.raises(InputError, match=message.replace("[", r"\[")):
        task_of(path)
    task = task_of(path, skip_broken_rows=True)
    assert len(task.examples(task.task_config.train_data)) == 1
    config = ClassificationConfig(label=",".join(NAMES), skip_broken_rows=True)
    assert epochs.steps(str(path), 1, 1, config) == 1


def test_a_missing_column_is_an_error(tmp_path):
    path = write(tmp_path / "a.csv", [("see", ["0", "1", "0"])])
    with pytest.raises(InputError, match="'spam'.*Received.*columns|no column 'spam'|'spam'"):
        task_of(path, label="io,spam")


# === Thresholds ===
@pytest.mark.parametrize("seed", range(3))
def test_each_label_gets_the_threshold_with_its_best_f1(seed):
    rng = np.random.default_rng(seed)
    wanted = (rng.random([40, 3]) < (0.1, 0.5, 0.9)).astype(np.int8)
    shares = np.round(1 / (1 + np.exp(2 - rng.normal(size=[40, 3]) - wanted)), 2)  # With ties.
    logits = np.log(shares) - np.log(1 - shares)
    tuned = problems.LabelSets(NAMES, threshold="each", tunes="each").tuned(wanted, logits)
    scores = tuned.scores(wanted, logits)
    for index, name in enumerate(NAMES):
        of_label = wanted[:, index], shares[:, index]
        best = max(f1_score(of_label[0], of_label[1] > t) for t in np.arange(0.005, 1, 0.005))
        assert scores[f"f1_{name}"] == pytest.approx(best)
        assert scores[f"threshold_{name}"] == tuned.threshold[name] == tuned.limit[index]
    assert tuned.threshold_in(scores) == tuned.threshold
    for answer, row in zip(map(tuned.answer, logits), shares):
        assert answer["labels"] == [n for n, p in zip(NAMES, row) if p > tuned.threshold[n]]


def test_thresholds_are_set_by_label():
    limits = problems.LabelSets(NAMES, threshold={NAMES[1]: 0.2}).limit
    assert limits.tolist() == [0.5, 0.2, 0.5]


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        ({"spam": 0.2}, "THRESHOLD must have labels of the model. Received 'spam'"),
        ({NAMES[0]: 1.5}, "between 0 and 1, one by label, or None or 'each'.* Received 1.5"),
        ({NAMES[0]: "0.5"}, "Received '0.5'"),
        ("all", "Received 'all'"),
    ],
)
def test_a_wrong_threshold_is_an_error(threshold, message):
    with pytest.raises(InputError, match=message):
        problems.LabelSets(NAMES, threshold=threshold)


def test_an_export_answers_with_the_threshold_of_each_label(tmp_path, spm):
    tf_keras.utils.set_random_seed(3)
    config = AlbertConfig(**dict(tiny_task.MODEL, initializer_range=0.5))
    model = AlbertClassifier(config, labels=NAMES, problem="multi_label")
    texts = ["the file", "a list of one", "see this object", "from here"]
    shares = tf.sigmoid(model(spm(texts))).numpy()
    limits = {name: float(np.median(column)) for name, column in zip(NAMES, shares.T)}
    model.settings["threshold"] = limits
    model.save_pretrained(tmp_path / "model", spm)
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n")
    answers = list(Predictor(tmp_path / "model")(tmp_path / "texts.txt"))
    wanted = [[n for n, p in zip(NAMES, row) if p > limits[n]] for row in shares]
    assert [answer["labels"] for answer in answers] == wanted
    assert sum(map(len, wanted)) == 6  # Half of the texts for each label.
    path = task_model.export(tmp_path / "model", tmp_path / "export", check=False)
    assert manifest.read(path)["threshold"] == limits
    run = tf.saved_model.load(str(path)).signatures["serving_default"]
    served = run(text=tf.constant(texts))
    rows = zip(served["labels"].numpy(), served["lengths"].numpy())
    assert [[name.decode() for name in row[:count]] for row, count in rows] == wanted


def test_three_seeds_learn_labels_in_columns_with_their_thresholds(tmp_path):
    train, dev = (
        write(tmp_path / f"{seed}.csv", [(t, switches(n)) for t, n in learnable(count, seed)])
        for count, seed in ((960, 1), (60, 2))
    )
    config = dict(label=",".join(NAMES), threshold="each")
    task = tiny_task.task(ClassificationTask, train, dev, seq_length=16, **config)
    model, found = tiny_task.learn(task, 900, seeds=3)
    assert min(metrics["micro_f1"] for metrics in found) > 0.9, found
    folder = tiny_task.save(task, model, tmp_path / "run")
    task.report(found[-1])
    task.write_results(folder)
    kept = json.loads((folder / "task.json").read_text())["settings"]["threshold"]
    best = json.loads((folder / "metrics.json").read_text())["best"]
    assert kept == {name: best[f"threshold_{name}"] for name in NAMES}
    assert Predictor(folder).task.problem.threshold == kept
