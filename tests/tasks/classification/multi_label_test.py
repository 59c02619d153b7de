"""Texts with any number of labels, and with several numbers: weights, answers, training."""

import json
import random
import shutil
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from safetensors.numpy import load_file
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from albert_tf.config import AlbertConfig
from albert_tf.convert.conversion import convert
from albert_tf.errors import InputError
from albert_tf.export import lite_model, manifest, task_model
from albert_tf.formats.load import load
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.classification import data, metrics, problems
from albert_tf.tasks.classification.config import ClassificationConfig
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.classification.served import ServedClassifier
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tasks.fine_tuning_config import FineTuningDataConfig
from albert_tf.tasks.predictor import Predictor
from tests.support import tiny_task
from tests.support.paths import TESTDATA

HF = TESTDATA / "hf_tasks/classification"
LABELS = ("no", "maybe", "yes")
TEXTS = ["a fine film", "", "not worth two hours, with 1,000 cuts"]


def folder_of(path, problem, **values):
    """Returns a copy of the model of transformers with another problem_type."""
    shutil.copytree(HF, path)
    config = {**json.loads((path / "config.json").read_text()), "problem_type": problem, **values}
    (path / "config.json").write_text(json.dumps(config))
    return path


def golden():
    """Returns the inputs of the golden file, and the logits that transformers gives for them."""
    arrays = np.load(HF / "io.npz")
    names = ("input_ids", "attention_mask", "token_type_ids")
    return [tf.constant(arrays[name].astype(np.int32)) for name in names], arrays["logits"]


def served(path, spm):
    model = AlbertClassifier.from_pretrained(path)
    return ServedClassifier(model, spm, seq_length=16).signatures()["tokens"]


def test_probabilities_of_a_multi_label_model_are_those_of_transformers(tmp_path, spm):
    path = folder_of(tmp_path / "hf", "multi_label_classification")
    assert load(path).task == TaskDescription("multi_label", LABELS)
    inputs, logits = golden()
    outputs = served(path, spm)(*inputs)
    shares = 1 / (1 + np.exp(-logits.astype(np.float64)))
    np.testing.assert_allclose(outputs["probabilities"], shares, atol=1e-5)
    chosen = [[name for name, share in zip(LABELS, row) if share > 0.5] for row in shares]
    assert len({len(row) for row in chosen}) > 1
    assert outputs["lengths"].numpy().tolist() == [len(row) for row in chosen]
    texts = [[name.decode() for name in row] for row in outputs["labels"].numpy()]
    assert texts == [row + [""] * (3 - len(row)) for row in chosen]


def test_several_numbers_of_a_regression_are_those_of_transformers(tmp_path, spm):
    path = folder_of(tmp_path / "hf", "regression")
    assert load(path).task == TaskDescription("regression", LABELS)
    inputs, logits = golden()
    outputs = served(path, spm)(*inputs)
    assert set(outputs) == {"values"}
    np.testing.assert_allclose(outputs["values"], logits, atol=1e-5)


@pytest.mark.parametrize("problem", ["multi_label_classification", "regression"])
def test_the_problem_survives_a_round_trip(problem, tmp_path):
    path = folder_of(tmp_path / "hf", problem)
    convert(path, "checkpoint", tmp_path / "ours")
    convert(tmp_path / "ours", "hugging_face", tmp_path / "theirs")
    config = json.loads((tmp_path / "theirs/config.json").read_text())
    assert config["problem_type"] == problem
    assert tuple(config["id2label"].values()) == LABELS
    before, after = (load_file(p / "model.safetensors") for p in (path, tmp_path / "theirs"))
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])
    # A problem that a user changes in config.json counts, not the one in task.json.
    config["problem_type"] = "single_label_classification"
    (tmp_path / "theirs/config.json").write_text(json.dumps(config))
    assert load(tmp_path / "theirs").task == TaskDescription("classification", LABELS)


@pytest.mark.parametrize(
    ("problem", "count", "task"),
    [
        (None, 3, "classification"),
        (None, 1, "regression"),
        ("single_label_classification", 3, "classification"),
        ("regression", 1, "regression"),
        ("multi_label_classification", 1, "multi_label"),
    ],
)
def test_problem_type_and_labels_determine_the_task(problem, count, task, tmp_path):
    names = {str(i): label for i, label in enumerate(LABELS[:count])}
    source = HF if count == 3 else TESTDATA / "hf_tasks/regression"
    path = shutil.copytree(source, tmp_path / "hf")
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(
        json.dumps({**config, "problem_type": problem, "id2label": names})
    )
    assert load(path).task == TaskDescription(task, () if task == "regression" else LABELS[:count])
    assert AlbertClassifier.from_pretrained(path).describe().task == task


@pytest.mark.parametrize("problem", ["multi_label", 3, ["regression"], "x" * 500])
def test_an_unknown_problem_type_is_an_error(problem, tmp_path):
    with pytest.raises(InputError, match="problem_type must be a problem of transformers. Rec"):
        load(folder_of(tmp_path / "hf", problem))
    with pytest.raises(InputError, match="Unknown problem of a classifier. Received 'labels'"):
        AlbertClassifier(load(HF).config, labels=["a"], problem="labels")


@pytest.fixture(scope="module")
def saved(tmp_path_factory, spm):
    """A function that saves a model with a problem; returns the model and its folder."""
    root = tmp_path_factory.mktemp("saved")
    config = dict(tiny_task.MODEL, initializer_range=0.5)

    def save(name, **arguments):
        tf_keras.utils.set_random_seed(3)
        model = AlbertClassifier(AlbertConfig(**config), **arguments)
        model.head.bias.assign(tf.linspace(-0.5, 0.4, len(model.labels)))
        model.save_pretrained(root / name, spm)
        return model, root / name

    return save


def answers_of(folder, path, **config):
    path.write_text("".join(f"{text}\n" for text in TEXTS))
    return list(Predictor(folder, **config)(path))


def test_a_predictor_gives_labels_above_the_threshold(saved, tmp_path, spm):
    model, folder = saved("labels", labels=["a", "b", "c", "d"], problem="multi_label")
    shares = 1 / (1 + np.exp(-model(spm(TEXTS)).numpy().astype(np.float64)))
    order = np.sort(shares.ravel())
    for threshold in (0.5, (order[-3] + order[-4]) / 2):
        answers = answers_of(folder, tmp_path / "new.txt", threshold=float(threshold))
        for answer, row in zip(answers, shares, strict=True):
            assert list(answer) == ["labels", "probabilities"]
            assert answer["labels"] == [n for n, share in zip("abcd", row) if share > threshold]
            assert list(answer["probabilities"]) == list("abcd")
            np.testing.assert_allclose(list(answer["probabilities"].values()), row, atol=1e-5)
    task = Predictor(folder).task
    text = task.answer_file(".tsv").text(answers).splitlines()
    assert [json.loads(line.split("\t")[1]) for line in text[1:]] == [a["labels"] for a in answers]
    task.task_config.threshold = 1.5
    with pytest.raises(InputError, match="must be a probability between 0 and 1.* Received 1.5"):
        task.read(FineTuningDataConfig(input_path=str(tmp_path / "new.txt")), labelled=False)


@pytest.mark.parametrize("threshold", [0, 1, "0.5", True, float("nan"), [0.5]])
def test_a_threshold_is_a_probability(threshold):
    with pytest.raises(InputError, match="THRESHOLD must be a probability between 0 and 1, one by"):
        problems.LabelSets("ab", threshold=threshold)


def test_a_predictor_gives_several_numbers(saved, tmp_path, spm):
    model, folder = saved("numbers", labels=["a", "b", "c"], problem="regression")
    answers = answers_of(folder, tmp_path / "new.txt")
    assert [list(answer) for answer in answers] == [["values"]] * 3
    values = [answer["values"] for answer in answers]
    np.testing.assert_allclose(values, model(spm(TEXTS)), atol=1e-5)
    path = tmp_path / "dev.csv"
    path.write_text("text,label\nx,1\n")
    task = Predictor(folder).task
    with pytest.raises(
        InputError, match=r"Each row must have 3 number\(s\).* Received 1 in line 2"
    ):
        task.read(FineTuningDataConfig(input_path=str(path), is_training=False))


@pytest.mark.parametrize("write", [lite_model.export, task_model.export])
def test_an_export_keeps_the_threshold(write, saved, tmp_path):
    model, folder = saved(write.__module__, labels=["a", "b"], problem="multi_label")
    TaskDescription("multi_label", ("a", "b"), {"threshold": 0.37}).to_json_file(
        folder / "task.json"
    )
    changes = {"check": False} if write is task_model.export else {}
    path = write(folder, tmp_path / "export", **changes)
    assert manifest.read(path)["threshold"] == 0.37
    ids = np.array([[2, 9, 40, 999, 3]], np.int32)
    logits = model({"input_word_ids": tf.constant(ids)}).numpy().astype(np.float64)
    if write is lite_model.export:
        run = lite_model.Interpreter(str(path / lite_model.NAME)).get_signature_runner()
        names = ("input_word_ids", "input_mask", "input_type_ids")
    else:
        run = tf.saved_model.load(str(path)).signatures["tokens"]
        names = ("input_ids", "input_mask", "segment_ids")
    outputs = run(**dict(zip(names, map(tf.constant, (ids, ids * 0 + 1, ids * 0)))))
    np.testing.assert_allclose(outputs["probabilities"], 1 / (1 + np.exp(-logits)), atol=1e-5)
    assert np.array(outputs["lengths"]).tolist() == [np.sum(1 / (1 + np.exp(-logits)) > 0.37)]


ROWS = [("the file", ["b", "a"]), ("a list", []), ("from here", ["c"]), ("see this", ["a"])]
WANTED = [[1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 0]]


def csv_file(path, rows=ROWS, separator=";"):
    lines = [f"{text},{separator.join(labels)}" for text, labels in rows]
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    return path


def json_file(path, rows=ROWS):
    lines = [json.dumps(dict(text=text, label=labels)) for text, labels in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("write", "name", "config"),
    [
        (csv_file, "a.csv", dict(label_separator=";")),
        (csv_file, "a.csv", dict(label_separator=";", problem="multi_label")),
        (json_file, "a.jsonl", dict(problem="multi_label")),
        (json_file, "a.jsonl", dict(label_separator=";")),
    ],
)
def test_a_cell_has_any_number_of_labels(write, name, config, tmp_path):
    path = write(tmp_path / name)
    task = tiny_task.task(ClassificationTask, path, path, seq_length=16, **config)
    description = task.describe()
    assert (description.task, description.labels) == ("multi_label", ("a", "b", "c"))
    assert description.settings["threshold"] == 0.5
    examples = task.examples(task.task_config.train_data)
    np.testing.assert_array_equal(examples.labels["label"], WANTED)
    logits = np.random.default_rng(0).normal(size=[4, 3]).astype(np.float32) * 3
    batch = {"label": tf.constant(examples.labels["label"]), "example": np.arange(4)}
    shares, wanted = 1 / (1 + np.exp(-logits)), np.array(WANTED)
    cross_entropy = -np.where(wanted, np.log(shares), np.log(1 - shares))
    assert float(task.build_losses(batch, logits)) == pytest.approx(cross_entropy.mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("cell", "separator", "labels"),
    [
        ("a; b ;a;;", ";", ("a", "b")),
        ("", ";", ()),
        (" ", "", ()),
        ("a;b", "", ("a;b",)),
        ('["b;c", "a", "b;c"]', ";", ("b;c", "a")),
        ("[1, 22]", "", ("1", "22")),
        ('["\\u00e9"]', "", ("é",)),
        ("[x];[y]", ";", ("[x]", "[y]")),
        ("a, b", ", ", ("a", "b")),
    ],
)
def test_cells_are_lists_or_names_with_separators(cell, separator, labels):
    assert data.labels_in(cell, separator) == labels


@pytest.mark.parametrize(
    ("text", "config", "message"),
    [
        ("text,label\nx,a\n", dict(problem="multi_label"), "no list in column 'label' of the tra"),
        ("text,label\nx,\ny,\n", dict(label_separator=";"), "labels. Received 2 rows whose column"),
        (
            "text,label\n" + "".join(f"x,{i};{i}b\n" for i in range(60)),
            dict(label_separator=";"), "repeat. Received 120 distinct labels, 120 in all, in",
        ),
        ("text,label\nx,a;d\n", dict(label_separator=";", labels=["a", "b"]), "'d' in line 2 of"),
        (
            "text,label\nx,a\ny,b\n", dict(label_separator=";", problem="classification"),
            "Received ';' with PROBLEM=classification. Set PROBLEM=multi_label",
        ),
        (
            'text,label\nx,"[""a"", [2]]"\n', dict(label_separator=";"),
            r'must contain names only. Received \["a", \[2\]\] in line 2 of',
        ),
        (
            "text,label\nx,a\n", dict(label_separator="-", labels=["sci-fi", "news"]),
            "not occur in a label. Received LABEL_SEPARATOR='-' and the label 'sci-fi'. Choose",
        ),
        ("text,label\nx,a\n", dict(label_separator=";", threshold=1.5), "0 and 1.* Received 1.5"),
    ],
)  # fmt: skip
def test_bad_labels_are_errors_before_work_starts(text, config, message, tmp_path):
    path = tmp_path / "train.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        tiny_task.task(ClassificationTask, path, path, **config)


def test_rows_are_left_out_for_their_labels(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(
        f'{{"text": "{text}", "label": {label}}}\n'
        for text, label in (("x", '["a", "-"]'), ("y", '["a"]'), ("z", "[null]"), ("w", "null"))
    ))  # fmt: skip
    config = dict(problem="multi_label", skip_labels=["-"], skip_broken_rows=True)
    task = tiny_task.task(ClassificationTask, path, path, **config)
    examples = task.examples(task.task_config.train_data)
    assert [row.texts for row in examples.sources] == [("y",), ("w",)]
    np.testing.assert_array_equal(examples.labels["label"], [[1], [0]])
    left = task.results.data["train"]["left_out"]
    assert {reason: places["count"] for reason, places in left.items()} == {
        "SKIP_LABELS has the label '-'": 1,
        "its labels are not a list of names": 1,
    }


def test_metrics_equal_their_formulas_and_those_of_scikit_learn():
    rng = np.random.default_rng(5)
    wanted = (rng.random([60, 4]) < [0.5, 0.2, 0.1, 0.0]).astype(np.int8)
    logits = rng.normal(size=[60, 4]) + wanted - 0.5
    shares = 1 / (1 + np.exp(-logits))
    chosen = shares > 0.3
    found = problems.LabelSets("abcd", threshold=0.3).scores(wanted, logits)
    hits = np.sum(chosen & (wanted == 1), axis=0)
    f1 = 2 * hits / np.maximum(chosen.sum(0) + wanted.sum(0), 1)
    precisions = [average_precision_score(wanted[:, i], shares[:, i]) for i in range(3)]
    assert found == pytest.approx(
        dict(
            micro_f1=2 * hits.sum() / (chosen.sum() + wanted.sum()),
            macro_f1=f1.mean(),
            average_precision=np.mean(precisions),
            subset_accuracy=accuracy_score(wanted, chosen),
            majority_subset_accuracy=max(Counter(map(tuple, wanted)).values()) / 60,
            distinct_answers=len(set(map(tuple, chosen))),
            f1_a=f1[0], f1_b=f1[1], f1_c=f1[2], f1_d=0.0,
            threshold=0.3,
        )
    )  # fmt: skip
    table = problems.LabelSets("abcd", threshold=0.3).table(wanted, logits).splitlines()
    assert float(table[1].split()[3]) == pytest.approx(f1[0], abs=1e-4)
    assert [int(line.split()[-1]) for line in table[1:]] == wanted.sum(0).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_the_tuned_threshold_has_the_best_micro_f1(seed):
    rng = np.random.default_rng(seed)
    wanted = (rng.random([40, 3]) < 0.15).astype(np.int8)
    shares = np.round(1 / (1 + np.exp(2 - rng.normal(size=[40, 3]) - wanted)), 2)  # With ties.
    candidates = np.arange(0.005, 1.0, 0.005)
    best = max(f1_score(wanted, shares > t, average="micro", zero_division=0) for t in candidates)
    threshold = metrics.best_threshold(wanted, shares)
    assert f1_score(wanted, shares > threshold, average="micro") == pytest.approx(best)
    assert np.min(abs(shares - threshold)) > 1e-6
    logits = np.log(shares) - np.log(1 - shares)
    tuned = problems.LabelSets("abc", tunes="all").tuned(wanted, logits)
    assert tuned.threshold == pytest.approx(threshold)
    assert problems.LabelSets("abc").tuned(wanted, logits).threshold == 0.5


def test_evaluations_that_no_threshold_fits_keep_the_default():
    shares = np.array([[0.2, 0.7]])
    assert metrics.best_threshold(np.zeros([1, 2], np.int8), shares) == 0.5
    assert 0 < metrics.best_threshold(np.ones([1, 2], np.int8), shares * 0) < 1
    assert 0 < metrics.best_threshold(np.ones([1, 2], np.int8), shares * 0 + 1) < 1


WORDS = ["the", "with", "from", "see", "this", "has", "one", "line"]
OF_LABEL = {"io": "file", "data": "list", "code": "object"}


def learnable(count, seed):
    """Yields texts that have a word for each of their labels, which may be none."""
    rng = random.Random(seed)
    for _ in range(count):
        labels = [label for label in OF_LABEL if rng.random() < 0.4]
        words = rng.choices(WORDS, k=rng.randint(2, 5)) + [OF_LABEL[label] for label in labels]
        rng.shuffle(words)
        yield " ".join(words), labels


def test_a_tiny_model_learns_labels_and_keeps_its_threshold(tmp_path):
    train = csv_file(tmp_path / "train.csv", learnable(480, 1), "|")
    dev = json_file(tmp_path / "dev.jsonl", learnable(60, 2))
    task = tiny_task.task(
        ClassificationTask, train, dev, seq_length=16, label_separator="|", threshold=None
    )
    assert task.describe().settings["threshold"] is None
    model, found = tiny_task.learn(task, 500, seeds=1)
    assert min(found[-1]["micro_f1"], found[-1]["average_precision"]) > 0.85, found
    assert "best evaluation by micro_f1" in (report := task.report(found[-1]))
    assert "precision   recall" in report
    folder = tiny_task.save(task, model, tmp_path / "run")
    names = [path.name for path in task.write_results(folder)]
    assert names == ["metrics.json", "precision_recall.png"]
    kept = json.loads((folder / "task.json").read_text())["settings"]
    best = json.loads((folder / "metrics.json").read_text())["best"]
    assert kept["threshold"] == best["threshold"] and 0 < kept["threshold"] < 1
    assert kept["label_separator"] == "|"
    predictor = Predictor(folder)
    assert predictor.task.problem.threshold == kept["threshold"]
    hits = [
        set(answer["labels"]) == set(labels)
        for answer, (_, labels) in zip(predictor(dev), learnable(60, 2), strict=True)
    ]
    assert np.mean(hits) == pytest.approx(found[-1]["subset_accuracy"])


def test_a_fine_tuned_head_is_kept_for_the_same_labels_and_problem_only(saved, tmp_path):
    _, folder = saved("head", labels=["c", "b", "a", "d"], problem="multi_label")
    path = json_file(tmp_path / "a.jsonl")

    def task(**config):
        config = ClassificationConfig(init_from=str(folder), **config)
        config.train_data.input_path = str(path)
        return ClassificationTask(config)

    again = task(problem="multi_label")
    assert again.describe().labels == ("c", "b", "a", "d") and again.takes_head()
    other = task(problem="classification", labels=["c", "b", "a", "d"])
    assert other.describe().task == "classification" and not other.takes_head()
    assert set(other.describe().settings).isdisjoint({"threshold", "label_separator"})
