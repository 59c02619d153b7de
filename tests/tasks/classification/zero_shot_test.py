"""Ranking labels with a model for natural language inference, against NumPy on its logits."""

import csv
import json
import re

import numpy as np
import pytest
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.task_types import TaskDescription
from albert_tf.tasks import batching
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.classification.zero_shot import nli_outputs
from albert_tf.tasks.predictor import Predictor
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support import tiny_task
from tests.support.commands import call, status

LABELS = ["file", "the whole list", "Python"]
TEXTS = ["the file is here", "see one object, with the list", "", "from this " * 30, "Python!"]
TEMPLATE = "It has {} in it."
NLI = {
    "three": ("neutral", "ENTAILMENT", "Contradiction"),
    "two": ("not_entailment", "entailment"),
    "two_reversed": ("entailment", "not_entailment"),
}
SEQ_LENGTH = 24


def saved(folder, labels):
    """Saves a classifier with random weights, whose outputs differ from text to text."""
    tf_keras.utils.set_random_seed(1)
    config = {**tiny_task.MODEL, "initializer_range": 0.3}
    model = AlbertClassifier(AlbertConfig(**config), labels=labels)
    model.save_pretrained(folder, AlbertTokenizer.from_pretrained(tiny_task.VOCAB))
    return folder


@pytest.fixture(scope="module")
def predictors(tmp_path_factory, spm):
    root, made = tmp_path_factory.mktemp("nli"), {}
    for name, labels in NLI.items():
        made[name] = Predictor(saved(root / name, labels), SEQ_LENGTH)
        # About half of the pairs are entailed, none of them by a margin of rounding.
        values = np.concatenate([logits(made[name], spm, text) for text in TEXTS])
        entailment, opposite = outputs(name)
        middle = np.quantile(values[:, entailment] - values[:, opposite], 0.46)
        bias = made[name].model.head.bias.numpy()
        bias[opposite] += middle
        made[name].model.head.bias.assign(bias)
        made[name].model.save_pretrained(root / f"{name}_half", spm)
        made[name] = Predictor(root / f"{name}_half", SEQ_LENGTH)
    return made


def outputs(name):
    """The places of entailment and of its opposite."""
    names = [label.lower() for label in NLI[name]]
    opposite = "contradiction" if name == "three" else "not_entailment"
    return names.index("entailment"), names.index(opposite)


def logits(predictor, spm, text, template=TEMPLATE):
    """The logits of a text with each label, computed one pair at a time; the text is cut."""
    rows = []
    for label in LABELS:
        hypothesis = spm.encode(template.replace("{}", label))
        premise = spm.encode(text)[: SEQ_LENGTH - 3 - len(hypothesis)]
        ids = [spm.cls_id, *premise, spm.sep_id, *hypothesis, spm.sep_id]
        types = [0] * (len(premise) + 2) + [1] * (len(hypothesis) + 1)
        features = {"input_word_ids": [ids], "input_type_ids": [types]}
        features = {name: np.array(value, np.int32) for name, value in features.items()}
        rows.append(predictor.model(features).numpy()[0])
    return np.array(rows, np.float64)  # [labels, outputs]


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()


@pytest.mark.parametrize("name", NLI)
def test_one_label_is_the_softmax_of_entailment_over_labels(name, predictors, spm):
    predictor = predictors[name]
    entailment, _ = outputs(name)
    answers = predictor.zero_shot(TEXTS, LABELS, TEMPLATE, batch_size=4)
    assert len(answers) == len(TEXTS)
    for text, answer in zip(TEXTS, answers):
        shares = softmax(logits(predictor, spm, text)[:, entailment])
        found = [answer["probabilities"][label] for label in LABELS]
        np.testing.assert_allclose(found, shares, atol=1e-5)
        assert list(answer["probabilities"]) == [LABELS[i] for i in np.argsort(-shares)]
        assert answer["label"] == LABELS[shares.argmax()]
        assert answer["probability"] == max(found)
    assert len({answer["probability"] for answer in answers}) == len(TEXTS)


@pytest.mark.parametrize("name", NLI)
def test_several_labels_are_decided_alone(name, predictors, spm):
    predictor = predictors[name]
    entailment, opposite = outputs(name)
    answers = predictor.zero_shot(TEXTS, LABELS, TEMPLATE, multi_label=True)
    chosen = 0
    for text, answer in zip(TEXTS, answers):
        rows = logits(predictor, spm, text)
        shares = [softmax(row[[opposite, entailment]])[1] for row in rows]
        found = [answer["probabilities"][label] for label in LABELS]
        np.testing.assert_allclose(found, shares, atol=1e-5)
        order = [LABELS[i] for i in np.argsort(-np.array(shares))]
        assert list(answer["probabilities"]) == order
        assert answer["labels"] == [n for n in order if shares[LABELS.index(n)] > 0.5]
        chosen += len(answer["labels"])
    assert 0 < chosen < len(TEXTS) * len(LABELS)


def test_a_single_label_is_decided_alone(predictors):
    every = predictors["three"].zero_shot(TEXTS, LABELS, multi_label=True)
    lone = predictors["three"].zero_shot(TEXTS, LABELS[1:2])
    for one, several in zip(lone, every):
        assert list(one) == ["labels", "probabilities"]
        share = several["probabilities"][LABELS[1]]
        assert one["probabilities"] == {LABELS[1]: pytest.approx(share, abs=1e-5)}


def test_the_template_has_a_default(predictors):
    plain = predictors["three"].zero_shot(TEXTS[:2], LABELS)
    one = predictors["three"].zero_shot(TEXTS[0], tuple(LABELS))
    assert one == predictors["three"].zero_shot(TEXTS[:1], LABELS)
    named = predictors["three"].zero_shot(TEXTS[:2], LABELS, "This text is about {}.")
    assert plain == named != predictors["three"].zero_shot(TEXTS[:2], LABELS, TEMPLATE)


@pytest.fixture
def files(predictors, tmp_path):
    """The folder of a model, and the texts as a table with ids."""
    path = tmp_path / "texts.csv"
    with path.open("w", newline="") as file:
        rows = [("id", "text"), *((f"n{i}", text) for i, text in enumerate(TEXTS * 4))]
        csv.writer(file).writerows(rows)
    return predictors["three"].source.path, path


def test_the_command_writes_every_format(files, predictors, tmp_path, monkeypatch):
    monkeypatch.setattr(batching, "POOL", 6)  # windows of four rows
    model, path = files
    (tmp_path / "labels.txt").write_text("\n".join(LABELS) + "\n\n")
    words = ("predict", "--model", model, "--input", path, "--batch_size", 2, "--seq_length", 24)
    words += ("--template", TEMPLATE)
    call(*words, "--labels", ",".join(LABELS), "--output", tmp_path / "a.jsonl")
    answers = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    wanted = predictors["three"].zero_shot(TEXTS * 4, LABELS, TEMPLATE)
    for answer, other in zip(answers, wanted, strict=True):
        assert answer["label"] == other["label"]
        assert answer["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)
    listed = ("--labels", f"@{tmp_path / 'labels.txt'}", "--keep_columns", "id")
    call(*words, *listed, "--multi_label", "--output", tmp_path / "a.csv")
    rows = list(csv.DictReader((tmp_path / "a.csv").open(newline="")))
    several = predictors["three"].zero_shot(TEXTS * 4, LABELS, TEMPLATE, multi_label=True)
    assert [row["id"] for row in rows] == [f"n{i}" for i in range(len(TEXTS) * 4)]
    assert list(rows[0]) == ["id", "labels", *(f"probabilities.{label}" for label in LABELS)]
    for row, other in zip(rows, several):
        assert json.loads(row["labels"]) == other["labels"]
        shares = {label: float(row[f"probabilities.{label}"]) for label in LABELS}
        assert shares == pytest.approx(other["probabilities"], abs=1e-5)
    call(*words, "--labels", ",".join(LABELS), "--output", tmp_path / "a.tsv")
    lines = (tmp_path / "a.tsv").read_text().splitlines()
    assert lines[1:] == [f"{i}\t{answer['label']}" for i, answer in enumerate(answers)]


def test_windows_have_as_many_pairs_as_other_tasks_have_rows(files, monkeypatch):
    monkeypatch.setattr(batching, "POOL", 3)
    model, path = files
    predictor = Predictor(model, SEQ_LENGTH, candidates=LABELS)
    windows = predictor.windows(predictor.params(path, 4))
    assert [window.rows for window in windows] == [4] * 5


def test_a_stopped_ranking_goes_on_with_the_same_labels_only(files, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(batching, "POOL", 2)
    model, path = files
    words = ("predict", "--model", model, "--input", path, "--batch_size", 2)
    call(*words, "--labels", "a,b", "--output", tmp_path / "whole.jsonl")
    with pytest.MonkeyPatch.context() as patch:
        answered = Predictor._window
        calls = []

        def stopping(self, *args):
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return answered(self, *args)

        patch.setattr(Predictor, "_window", stopping)
        assert status(*words, "--labels", "a,b", "--output", tmp_path / "a.jsonl") == 130
    capsys.readouterr()
    assert status(*words, "--labels", "a,c", "--output", tmp_path / "a.jsonl") == 2
    assert 'of another one: candidates "a", "b", now "a", "c". Del' in capsys.readouterr().err
    assert status(*words, "--labels", "a, b", "--output", tmp_path / "a.jsonl") == 0
    assert "resuming after 4 rows" in capsys.readouterr().err
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--labels", "a,,b"], "must be names that are not empty. Received ['a', '', 'b']"),
        (["--labels", ""], "must be names that are not empty. Received ['']"),
        (["--labels", "a,b, a"], "must be unique. Received 'a' twice"),
        (["--labels", "@no.txt"], "A file of labels"),
        (["--labels", "@empty.txt"], "that are not empty. Received no label. Name"),
        (["--labels", "a", "--template", "It is."], "must have {} in place of the label. Received"),
        (["--labels", "a", "--template", ""], "must have {} in place of the label. Received ''"),
        (["--labels", "a," + "long " * 60], "Received seq_length=64 and the label 'long long"),
        (["--labels", "a", "--top_k", 3], "one of classification, the task of the model. Received"),
        (["--top_k", 3], "one of classification, the task of the model. Received 'top_k'"),
        (["--template", "{}"], "--template is for labels of your own. Received no --labels"),
        (["--multi_label"], "--multi_label is for labels of your own. Received no --labels"),
    ],
)
def test_wrong_flags_are_one_error(flags, message, files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("\n \n")
    model, path = files
    assert status("predict", "--model", model, "--input", path, *flags) == 2
    out, error = capsys.readouterr()
    assert out == "" and message in error.splitlines()[-1]


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (("bad", "good"), None),
        (("LABEL_0", "LABEL_1", "LABEL_2"), None),
        (("neutral", "entailment", "other"), None),
        (("contradiction", "neutral"), None),
        (("entailment", "contradiction", "neutral", "unclear"), None),
        (("entailment", "contradiction"), "multi_label"),
    ],
)
def test_a_model_for_something_else_is_refused(labels, problem, tmp_path):
    task = problem or "classification"

    class Source:
        path = "runs/mine"

    Source.task = TaskDescription(task, labels)
    received = f"'runs/mine', a model for {task} with the labels {list(labels)}. Fine-tune"
    with pytest.raises(InputError, match=re.escape(received)):
        nli_outputs(Source)


def test_a_pretrained_model_cannot_rank_labels(quickstart_folder):
    with pytest.raises(InputError, match="a model without any. Fine-tune one, such as with"):
        Predictor(quickstart_folder / "run").zero_shot(["a"], ["b"])
