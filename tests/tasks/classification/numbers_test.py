"""Regression with several numbers for each text."""

import json
import random

import numpy as np
import pytest

from albert_tf import Predictor
from albert_tf.errors import InputError
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tasks.encoded_examples import Outputs
from tests.support import tiny_task

WORDS = {"file": (-1.0, 0.5), "list": (1.0, 1.5), "object": (0.0, -1.0)}


@pytest.mark.parametrize("write", ["csv", "jsonl"])
def test_cells_have_several_numbers(write, tmp_path):
    path = tmp_path / f"a.{write}"
    rows = [("x", (1.5, -2)), ("y", (0, 4.25)), ("z", (3, 1e3))]
    if write == "csv":
        lines = ["text,label", *(f"{text},{a}; {b}" for text, (a, b) in rows)]
    else:
        lines = [json.dumps(dict(text=text, label=values)) for text, values in rows]
    path.write_text("\n".join(lines) + "\n")
    config = dict(problem="regression", label_separator=";" if write == "csv" else "")
    task = tiny_task.task(ClassificationTask, path, path, **config)
    description = task.describe()
    assert (description.task, description.labels) == ("regression", ("LABEL_0", "LABEL_1"))
    assert description.settings.get("label_separator", "") == config["label_separator"]
    wanted = np.float32([values for _, values in rows])
    examples = task.examples(task.task_config.validation_data)
    np.testing.assert_array_equal(examples.labels["label"], wanted)
    logits = np.float32([[1, 0], [2, 5], [2, 800]])
    loss = task.build_losses(examples.batch(np.arange(3)), logits)
    assert float(loss) == pytest.approx(np.mean((wanted - logits) ** 2))
    metrics = task.evaluate(examples, Outputs(np.arange(3), {"logits": list(logits)}))
    of_each = [np.corrcoef(a, b)[0, 1] for a, b in zip(wanted.T, logits.T)]
    assert metrics["pearson"] == pytest.approx(np.mean(of_each), rel=1e-5)
    assert metrics["pearson_LABEL_1"] == pytest.approx(of_each[1], rel=1e-5)
    assert metrics["mean_squared_error"] == pytest.approx(float(loss))
    baseline = task.baseline(examples)
    assert baseline["mean_squared_error"] == pytest.approx(np.mean(np.var(wanted, axis=0)))
    named = tiny_task.task(ClassificationTask, path, path, labels=["a", "b"], **config)
    assert named.describe().labels == ("a", "b")


@pytest.mark.parametrize(
    ("text", "config", "message"),
    [
        ("x,1;2\ny,3\n", {}, r"must have 2 number\(s\), as the model has. Received 1 in line 3 of"),
        ("x,1;2\ny,3;high\n", {}, "must be a number. Received 'high' in line 3 of"),
        ("x,1;2\ny,3;nan\n", {}, "must be a number. Received 'nan' in line 3 of"),
        ("x,1;2\ny,3;\n", {}, "must be a number. Received '' in line 3 of"),
        ("x,1;2\ny,3;4\n", dict(labels=["a", "b", "c"]), r"have 3 number\(s\).* Received 2 in lin"),
        ("x,1;2\ny,3;4\n", dict(label_separator=""), "must be a number. Received '1;2' in line 2"),
        ("x,1;2\ny,3;4\n", dict(class_weights="balanced"), "one class each. Received balanced"),
        ("x,1;2\ny,3;4\n", dict(label_smoothing=0.1), "needs classes or labels"),
        ('x,"[1, true]"\ny,"[3, 4]"\n', dict(label_separator=""), "number. Received 'true' in lin"),
    ],
)
def test_bad_numbers_are_errors_before_work_starts(text, config, message, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + text)
    config = {"problem": "regression", "label_separator": ";", **config}
    with pytest.raises(InputError, match=message):
        tiny_task.task(ClassificationTask, path, path, **config)


def test_a_tiny_model_learns_several_numbers(tmp_path):
    rng = random.Random(1)
    for name, count in (("train", 320), ("dev", 40)):
        lines = ["text,label"]
        for _ in range(count):
            word = rng.choice(list(WORDS))
            words = rng.choices(["the", "with", "from"], k=rng.randint(1, 5)) + [word]
            rng.shuffle(words)
            lines.append(f"{' '.join(words)},{WORDS[word][0]} {WORDS[word][1]}")
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
    paths = tmp_path / "train.csv", tmp_path / "dev.csv"
    config = dict(problem="regression", label_separator=" ", labels=["tone", "size"])
    task = tiny_task.task(ClassificationTask, *paths, seq_length=16, **config)
    model, (metrics,) = tiny_task.learn(task, 150, seeds=1)
    assert min(metrics["pearson_tone"], metrics["pearson_size"]) > 0.9, metrics
    (path,) = task.draw(*task.results.best[2:], tmp_path)
    assert path.read_bytes()[:4] == b"\x89PNG"
    run = tiny_task.save(task, model, tmp_path / "run")
    (tmp_path / "new.txt").write_text("the object\n")
    (answer,) = Predictor(run)(tmp_path / "new.txt")
    np.testing.assert_allclose(answer["values"], WORDS["object"], atol=0.5)
