"""Texts with any number of labels, and with several numbers: weights, answers, training."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from albert_tf.config import AlbertConfig
from albert_tf.convert.conversion import convert
from albert_tf.errors import InputError
from albert_tf.formats.load import load
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.classification.served import ServedClassifier
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
        tf.keras.utils.set_random_seed(3)
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
    for threshold in (0.5, (order[3] + order[4]) / 2, (order[-2] + order[-1]) / 2):
        answers = answers_of(folder, tmp_path / "new.txt", threshold=float(threshold))
        for answer, row in zip(answers, shares, strict=True):
            assert list(answer) == ["labels", "probabilities"]
            assert answer["labels"] == [n for n, share in zip("abcd", row) if share > threshold]
            assert list(answer["probabilities"]) == list("abcd")
            np.testing.assert_allclose(list(answer["probabilities"].values()), row, atol=1e-5)
    task = Predictor(folder).task
    text = task.written(answers, ".tsv").splitlines()
    assert [json.loads(line.split("\t")[1]) for line in text[1:]] == [a["labels"] for a in answers]
    for wrong in (0, 1, "0.5", True, float("nan")):
        with pytest.raises(InputError, match="THRESHOLD must be a probability between 0 and 1"):
            answers_of(folder, tmp_path / "new.txt", threshold=wrong)


def test_a_predictor_gives_several_numbers(saved, tmp_path, spm):
    model, folder = saved("numbers", labels=["a", "b", "c"], problem="regression")
    answers = answers_of(folder, tmp_path / "new.txt")
    assert [list(answer) for answer in answers] == [["values"]] * 3
    values = [answer["values"] for answer in answers]
    np.testing.assert_allclose(values, model(spm(TEXTS)), atol=1e-5)
    path = tmp_path / "dev.csv"
    path.write_text("text,label\nx,1\n")
    task = Predictor(folder).task
    with pytest.raises(InputError, match="Received a model for 3 numbers. Use `albert-tf predict`"):
        task.read(FineTuningDataConfig(input_path=str(path), is_training=False))
