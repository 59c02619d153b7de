"""Documents longer than the model: windows whose logits are pooled, in training and everywhere."""

import dataclasses
import json
import random

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf import Predictor
from albert_tf.convert.conversion import convert
from albert_tf.errors import InputError
from albert_tf.export import task_model
from albert_tf.modeling.inputs import NAMES
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tokenization.windows import of_segments
from tests.support import tiny_task

WORDS = ["the", "with", "from", "see", "this", "has", "one", "line"]
FILLERS = WORDS[:2]
CLASSES = {"io": "file", "code": "object"}
POOLS = {"mean": np.mean, "max": np.max}
LENGTH = 16


def text(rng, count):
    return " ".join(rng.choices(WORDS, k=count))


def table(path, counts, seed=3):
    """Writes pairs of texts with these numbers of words."""
    rng = random.Random(seed)
    names = list(CLASSES)
    rows = [
        dict(text=text(rng, n), other=text(rng, (5 * n) % 23), label=names[i % 2])
        for i, n in enumerate(counts)
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def task_of(path, **config):
    settings = dict(windows="mean", doc_stride=5, seq_length=LENGTH, classifier_dropout=0.0)
    return tiny_task.task(ClassificationTask, path, path, **{**settings, **config})


def moved(task):
    """Returns a model whose weights are not those of a new one, which could hide errors."""
    tf_keras.utils.set_random_seed(4)
    model = task.build_model()
    for variable in model.trainable_variables:
        variable.assign_add(tf.random.normal(variable.shape, stddev=0.2))
    return model


def windows_of(task, row, spm):
    """Returns the ids of each window of a row, cut again here."""
    encoded = [spm.encode(part) for part in row.texts]
    special = 1 + len(encoded)
    rows = []
    for parts in of_segments(encoded, LENGTH - special, task.task_config.doc_stride):
        ids = [spm.cls_id]
        for part in parts:
            ids += [*part, spm.sep_id]
        types = [0] * (len(parts[0]) + 2) + [1] * (len(ids) - len(parts[0]) - 2)
        rows.append((ids, types))
    return rows


@pytest.mark.parametrize("remove_padding", [True, False])
@pytest.mark.parametrize(("windows", "second"), [("mean", ""), ("max", "other")])
def test_logits_of_a_document_pool_those_of_its_windows(
    windows, second, remove_padding, tmp_path, spm
):
    path = table(tmp_path / "data.jsonl", [0, 3, 40, 11, 90, 14])
    task = task_of(path, windows=windows, second_text=second)
    model = moved(task)
    examples = task.examples(task.task_config.validation_data)
    batch = examples.batch(np.arange(6))
    model.encoder.remove_padding = remove_padding
    logits = model(batch)
    for index, row in enumerate(examples.sources):
        rows = windows_of(task, row, spm)
        assert examples.windows[index] == len(rows)
        of_each = [
            model(dict(zip(NAMES, map(np.array, ([ids], [[1] * len(ids)], [types])))))[0]
            for ids, types in rows
        ]
        np.testing.assert_allclose(logits[index], POOLS[windows](of_each, axis=0), atol=2e-6)
    assert examples.windows.max() > 10 and examples.windows.min() == 1
    np.testing.assert_allclose(model(batch, training=True), logits, atol=2e-6)
    if not second:  # The mean of the losses of documents, not of windows.
        wanted = np.array([0, 1] * 3)
        odds = np.exp(logits - np.max(logits, axis=1, keepdims=True))
        shares = odds[np.arange(6), 1 - wanted] / odds.sum(axis=1)  # Labels are sorted.
        loss = task.build_losses(batch, logits)
        np.testing.assert_allclose(loss, np.mean(-np.log(shares)), rtol=1e-5)


def test_gradients_do_not_depend_on_padding_and_parts_add_up(tmp_path):
    task = task_of(table(tmp_path / "data.jsonl", [3, 40, 11, 90, 14, 5, 60, 2]), batch_size=8)
    model, batch, _ = tiny_task.assert_parts_sum_up(task)
    gradients = {}
    for remove_padding in (True, False):
        model.encoder.remove_padding = remove_padding
        with tf.GradientTape() as tape:
            loss = task.build_losses(batch, task.forward(model, batch))
        gradients[remove_padding] = tape.gradient(loss, model.trainable_variables)
    assert len(gradients[True]) > 15
    for value, expected in zip(gradients[True], gradients[False]):
        value, expected = tf.convert_to_tensor(value), tf.convert_to_tensor(expected)
        np.testing.assert_allclose(value, expected, atol=2e-6)


def test_documents_of_one_window_have_the_logits_of_a_model_without_windows(tmp_path):
    path = table(tmp_path / "data.jsonl", [3, 11, 14, 9, 0])
    logits = {}
    for windows in ("first", "mean", "max"):
        stride = None if windows == "first" else 5
        task = task_of(path, windows=windows, doc_stride=stride)
        model = moved(task)
        model.encoder.remove_padding = True
        batch = task.examples(task.task_config.train_data).batch(np.arange(5))
        specs = {n: tf.TensorSpec([None] * x.ndim, tf.as_dtype(x.dtype)) for n, x in batch.items()}
        for training in (True, False):
            step = tf.function(
                lambda batch, model=model, training=training: model(batch, training=training),
                input_signature=[specs],
            )
            logits[windows, training] = step(batch).numpy()
    assert batch["input_word_ids"].shape == (5, 1, 16)
    for windows in ("mean", "max"):
        for training in (True, False):
            np.testing.assert_array_equal(logits[windows, training], logits["first", training])


@pytest.mark.parametrize(
    ("windows", "settings"),
    [
        ("mean", dict(problem="multi_label")),
        ("max", dict(second_text="other", doc_stride=None)),
        ("max", {}),
    ],
)
def test_predict_and_the_export_give_the_pooled_answers(windows, settings, tmp_path):
    path = table(tmp_path / "data.jsonl", [2, 40, 11, 90, 14, 300])
    if "problem" in settings:
        path.write_text(path.read_text().replace('"io"', '["io"]').replace('"code"', '["code"]'))
    task = task_of(path, windows=windows, **settings)
    model = moved(task)
    run = tiny_task.save(task, model, tmp_path / "run")
    stored = json.loads((run / "task.json").read_text())["settings"]
    assert (stored["windows"], stored["doc_stride"]) == (windows, task.task_config.doc_stride)
    examples = task.examples(task.task_config.validation_data)
    logits = np.asarray(model(examples.batch(np.arange(6))), np.float64)
    if "problem" in settings:
        expected = 1 / (1 + np.exp(-logits))
    else:
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    answers = list(Predictor(run)(path))
    shares = [list(answer["probabilities"].values()) for answer in answers]
    np.testing.assert_allclose(shares, expected, atol=1e-5)
    exported = task_model.read(run).task
    assert exported.facts["windows"] == windows
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    columns = ("text", "other") if "second_text" in settings else ("text",)
    texts = [tf.constant([row[name] for row in rows]) for name in columns]
    served = exported.signatures()["serving_default"](*texts)
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-5)
    # A request of many windows is refused before they exist.
    exported.limits = dataclasses.replace(exported.limits, tokens=500)
    refused = exported.signatures()["serving_default"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 500 tokens"):
        refused(*(part[5:] for part in texts))
    refused(*(part[:1] for part in texts))


def labelled(path, count, seed, place=None):
    """Writes texts in which one word is the label: a random one of few, or word `place` of 900."""
    rng, lines = random.Random(seed), []
    for _ in range(count):
        label = rng.choice(list(CLASSES))
        words = rng.choices(FILLERS, k=rng.randint(901, 930) if place else rng.randint(5, 28))
        words[place or rng.randrange(len(words))] = CLASSES[label]
        lines.append(json.dumps(dict(text=" ".join(words), label=label)))
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """An encoder that knows the words, as a pretrained one does."""
    folder = tmp_path_factory.mktemp("short")
    paths = labelled(folder / "train.jsonl", 320, 1), labelled(folder / "dev.jsonl", 20, 2)
    task = tiny_task.task(ClassificationTask, *paths, seq_length=32)
    return tiny_task.learn(task, 150, seeds=1)[0].encoder


def accuracies(tmp_path, encoder, seeds, **config):
    """Returns those of a new head; the label of each text depends on its word 900 only."""
    paths = [
        labelled(tmp_path / f"{name}.jsonl", count, seed, 900)
        for name, count, seed in (("train", 160, 1), ("dev", 60, 2))
    ]
    task = tiny_task.task(ClassificationTask, *paths, seq_length=32, batch_size=8, **config)

    def build():
        model = ClassificationTask.build_model(task)
        for variable, value in zip(model.encoder.variables, encoder.variables):
            variable.assign(value)
        return model

    task.build_model = build
    return [m["accuracy"] for m in tiny_task.metrics_of_seeds(task, 40, 3e-3, seeds)]


def test_a_word_beyond_the_sequence_length_is_learned_with_windows(encoder, tmp_path):
    found = accuracies(tmp_path, encoder, 3, windows="max", doc_stride=28, max_windows=40)
    assert min(found) > 0.95


def test_a_word_beyond_the_sequence_length_is_not_learned_without(encoder, tmp_path):
    assert abs(accuracies(tmp_path, encoder, 1)[0] - 0.5) < 0.15


def test_training_limits_windows_and_says_which_rows_have_more(tmp_path, capsys):
    path = table(tmp_path / "data.jsonl", [2, 40, 11, 90])
    task = task_of(path, max_windows=4, second_text="other")
    config = task.task_config
    assert task.examples(config.train_data).windows.tolist() == [1, 4, 2, 4]
    whole = task.examples(config.validation_data).windows
    assert whole[[0, 2]].tolist() == [1, 2] and whole[[1, 3]].min() > 4
    said = capsys.readouterr().err
    assert "2 row(s) train with their first MAX_WINDOWS=4 windows only: line 2 of" in said
    assert "3 row(s) have the shorter text cut to half of SEQ_LENGTH: line 2 of" in said
    assert said.count("MAX_WINDOWS=4") == 1  # Evaluation reads all of them.
    remarks = task.results.data["train"]["remarks"]
    assert remarks["train with their first MAX_WINDOWS=4 windows only"]["count"] == 2


def test_texts_that_are_cut_are_counted(tmp_path, capsys):
    path = table(tmp_path / "data.jsonl", [3, 40, 14, 15])
    task_of(path, windows="first", doc_stride=None)
    said = capsys.readouterr().err
    assert "2 row(s) are cut to SEQ_LENGTH=16; WINDOWS reads all of their tokens: line 2 of" in said


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (dict(windows="men"), "WINDOWS must be one of first, mean, max. Received 'men'. Closest"),
        (dict(windows=3), "WINDOWS must be one of first, mean, max. Received '3'"),
        (dict(doc_stride=16), "below SEQ_LENGTH.* Received DOC_STRIDE=16 with SEQ_LENGTH=16. Lo"),
        (dict(doc_stride=99), "below SEQ_LENGTH.* Received DOC_STRIDE=99 with SEQ_LENGTH=16. Lo"),
        (dict(doc_stride=0), "Received DOC_STRIDE=0 with SEQ_LENGTH=16"),
        (dict(doc_stride="5"), "Received DOC_STRIDE='5' with SEQ_LENGTH=16"),
        (dict(windows="first"), "DOC_STRIDE needs windows. Received DOC_STRIDE=5 with WINDOWS="),
        (dict(max_windows=0), "MAX_WINDOWS must be a whole number of windows, .*Received 0"),
        (dict(max_windows=2.5), "MAX_WINDOWS must be .* Received 2.5"),
    ],
)  # fmt: skip
def test_wrong_settings_are_errors_before_work_starts(config, message, tmp_path):
    with pytest.raises(InputError, match=message):
        task_of(table(tmp_path / "data.jsonl", [3, 4]), **config)


def test_windows_need_batches_of_any_shape(tmp_path):
    task = task_of(table(tmp_path / "data.jsonl", [3, 4]))
    params = task.task_config.train_data.replace(bucketed=False)
    with pytest.raises(InputError, match="BUCKETED=False with WINDOWS='mean'. Leave one"):
        task.read(params)


def test_a_model_keeps_its_windows(tmp_path, spm):
    task = task_of(table(tmp_path / "data.jsonl", [3, 40]))
    run = tiny_task.save(task, task.build_model(), tmp_path / "run")
    model = AlbertClassifier.from_pretrained(run)
    model.save_pretrained(tmp_path / "saved", spm)
    again = AlbertClassifier.from_pretrained(tmp_path / "saved")
    assert (model.windows, again.windows, again.settings["doc_stride"]) == ("mean", "mean", 5)
    assert AlbertClassifier.from_config(again.get_config()).windows == "mean"
    first = AlbertClassifier.from_pretrained(run, windows="first").describe()
    assert set(first.settings).isdisjoint({"windows", "doc_stride"})
    with pytest.raises(InputError, match="one row of each text. Received .* WINDOWS='mean'"):
        model.with_preprocessing(spm)
    with pytest.raises(InputError, match="must have two axes, batch and sequence"):
        AlbertClassifier(task.start.config, 2)({"input_word_ids": np.ones([2, 3, 4], np.int32)})


@pytest.mark.parametrize("to", ["hugging_face", "tf1"])
def test_a_conversion_says_that_others_do_not_read_windows(to, tmp_path):
    task = task_of(table(tmp_path / "data.jsonl", [3, 40]))
    run = tiny_task.save(task, task.build_model(), tmp_path / "run")
    (note,) = [n for n in convert(run, to, tmp_path / to)["notes"] if "WINDOWS" in n]
    assert note == (
        "the model reads long texts with WINDOWS='mean', which other libraries do not know: they "
        "read the first tokens of a text only"
    )
    notes = convert(run, "checkpoint", tmp_path / "ours")["notes"]
    assert not any("WINDOWS" in note for note in notes)
    assert AlbertClassifier.from_pretrained(tmp_path / "ours").windows == "mean"
