"""Early exit from training to serving."""

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from albert_tf import AlbertClassifier, Predictor
from albert_tf.convert.conversion import convert
from albert_tf.errors import InputError
from albert_tf.export import lite_model
from albert_tf.tasks.classification.exits import Exits, confidence, layer_weights
from albert_tf.tasks.classification.task import ClassificationTask
from tests.support import tiny_task
from tests.support.commands import call
from tests.support.whole_runs import GIN

WORDS = ["the", "with", "from", "see", "this", "has", "one", "line"]
CLASSES = {"io": "file", "code": "object"}
SIZES = {"num_hidden_layers": 4, "max_position_embeddings": 32}
MACROS = {
    **GIN,
    **{f"model_config.ModelConfig.{name}": value for name, value in SIZES.items()},
    **dict(TRAIN_STEPS=16, EVAL_INTERVAL=8, EARLY_EXIT="joint"),
}


def write(path, count, seed):
    rng, rows = random.Random(seed), []
    for _ in range(count):
        label = rng.choice(list(CLASSES))
        words = rng.choices(WORDS, k=rng.randint(1, 15))
        words[rng.randrange(len(words))] = CLASSES[label]
        rows.append(json.dumps(dict(text=" ".join(words), label=label)) + "\n")
    path.write_text("".join(rows))
    return path


def lines(path):
    return Path(path).read_text().splitlines()


def train(folder, mode="train_and_eval", **macros):
    flags = [f"--gin.{name}={value!r}" for name, value in macros.items()]
    call("train", "--gin_file", "finetune_table", "--mode", mode, "--model_dir", folder, *flags)
    return json.loads((folder / "metrics.json").read_text())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    files = [write(folder / f"{name}.jsonl", n, s) for name, n, s in (("t", 40, 1), ("e", 23, 2))]
    return dict(zip(("TRAIN_DATA", "EVAL_DATA"), map(str, files)))


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    train(folder, **MACROS | dict(VOCAB=str(tiny_task.VOCAB)), **data)
    return folder


def predicted(folder, path, output, *flags):
    call("predict", "--model", folder, "--input", path, "--output", output, *flags)
    return [json.loads(line) for line in output.read_text().splitlines()]


def test_predictions_have_the_metric_and_the_layers_of_the_evaluation(run, data, tmp_path):
    best = json.loads((run / "metrics.json").read_text())["best"]
    assert best["accuracy"] >= best["accuracy_all_layers"] - 0.005
    stored = json.loads((run / "best/task.json").read_text())["settings"]
    assert stored["early_exit"] == "joint"
    assert stored["exit_threshold"] == best["exit_threshold"]
    answers = predicted(run, data["EVAL_DATA"], tmp_path / "answers.jsonl")
    labels = [json.loads(line)["label"] for line in lines(data["EVAL_DATA"])]
    right = np.mean([answer["label"] == label for answer, label in zip(answers, labels)])
    assert right == pytest.approx(best["accuracy"])
    layers = [answer["layers"] for answer in answers]
    assert np.mean(layers) == pytest.approx(best["mean_layers"])


def test_predict_takes_another_threshold(run, data, tmp_path):
    path = data["EVAL_DATA"]
    for threshold, layers in (("0", 1), ("1", 4)):
        flags = "--exit_threshold", threshold
        answers = predicted(run, path, tmp_path / f"{threshold}.jsonl", *flags)
        assert {answer["layers"] for answer in answers} == {layers}
    model = AlbertClassifier.from_pretrained(run)
    texts = [json.loads(line)["text"] for line in lines(path)][:3]
    batch = Predictor(run).task.tokenizer(texts)
    shares = tf.nn.softmax(model(batch)).numpy()
    for answer, row in zip(answers, shares):
        assert list(answer["probabilities"].values()) == pytest.approx(row.tolist(), abs=1e-5)
    call("predict", "--model", run, "--input", path, "--output", tmp_path / "answers.csv")
    assert (tmp_path / "answers.csv").read_text().splitlines()[0].split(",")[-1] == "layers"


@pytest.mark.parametrize("threshold", ["2", "-0.1", "nan"])
def test_a_threshold_outside_its_range_is_refused(run, data, threshold, tmp_path):
    with pytest.raises(InputError, match="EXIT_THRESHOLD must be a probability from 0 to 1"):
        flags = "--exit_threshold", threshold
        predicted(run, data["EVAL_DATA"], tmp_path / "answers.jsonl", *flags)


def test_ranked_labels_and_explanations_use_all_layers(run, data, tmp_path):
    arguments = run, data["EVAL_DATA"], tmp_path / "answers.jsonl", "--exit_threshold", "0.5"
    with pytest.raises(InputError, match="Labels of your own are ranked with all layers"):
        predicted(*arguments, "--labels", "a,b")
    with pytest.raises(InputError, match="Explanations are of the answers of all layers"):
        predicted(*arguments, "--explain")


def test_the_export_answers_as_predict_and_returns_the_layers(run, data, tmp_path):
    texts = [json.loads(line)["text"] for line in lines(data["EVAL_DATA"])]
    shares = [max(a["probabilities"].values()) for a in predicted(
        run, data["EVAL_DATA"], tmp_path / "first.jsonl", "--exit_threshold", "0")]  # fmt: skip
    threshold = float(np.median(shares)) - 1e-6  # About half leave after the first layer.
    flags = "--exit_threshold", str(threshold)
    answers = predicted(run, data["EVAL_DATA"], tmp_path / "answers.jsonl", *flags)
    call("export", "task", run, tmp_path / "served", *flags, "--no_check")
    served = tf.saved_model.load(str(tmp_path / "served/1")).signatures["serving_default"]
    outputs = served(text=tf.constant(texts))
    assert outputs["layers"].dtype == tf.int32
    assert len(set(outputs["layers"].numpy())) > 1
    for row, answer in enumerate(answers):
        assert outputs["layers"][row] == answer["layers"]
        wanted = list(answer["probabilities"].values())
        np.testing.assert_allclose(outputs["probabilities"][row], wanted, rtol=0, atol=1e-5)
    alone = served(text=tf.constant(texts[5:6]))
    np.testing.assert_allclose(alone["logits"][0], outputs["logits"][5], rtol=0, atol=1e-5)
    assert served(text=tf.constant([], tf.string))["layers"].shape == (0,)
    manifest = json.loads((tmp_path / "served/1/manifest.json").read_text())
    assert manifest["exit_threshold"] == threshold
    assert manifest["signatures"]["serving_default"]["outputs"]["layers"]
    with pytest.raises(InputError, match="EXIT_THRESHOLD must be a probability from 0 to 1"):
        call("export", "task", run, tmp_path / "other", "--exit_threshold", "1.5")
    assert not (tmp_path / "other").exists()


def test_a_lite_model_computes_all_layers_and_says_so(run, tmp_path, capsys):
    lite_model.export(run, tmp_path / "lite", seq_length=8)
    assert "early exit: left out" in capsys.readouterr().out
    manifest = json.loads((tmp_path / "lite/manifest.json").read_text())
    assert "exit_threshold" not in manifest
    path = next((tmp_path / "lite").glob("*.tflite"))
    runner = tf.lite.Interpreter(str(path)).get_signature_runner()
    ids = np.array([[2, 9, 31, 8, 3, 0, 0, 0]], np.int32)
    batch = {
        "input_word_ids": ids,
        "input_mask": (ids > 0).astype(np.int32),
        "input_type_ids": np.zeros_like(ids),
    }
    received = runner(**batch)
    assert "layers" not in received
    expected = AlbertClassifier.from_pretrained(run)(batch)
    np.testing.assert_allclose(received["logits"], expected, rtol=0, atol=1e-4)


def test_conversions_keep_the_heads_or_say_that_they_cannot(run, tmp_path):
    convert(run, "checkpoint", tmp_path / "same")
    one, two = (AlbertClassifier.from_pretrained(path) for path in (run, tmp_path / "same"))
    np.testing.assert_array_equal(one.head.exits.kernel, two.head.exits.kernel)
    with pytest.raises(InputError, match="not supported by hugging_face: head/exits/kernel"):
        convert(run, "hugging_face", tmp_path / "other")
    report = convert(run, "hugging_face", tmp_path / "other", allow_partial=True)
    assert report["left_behind"] == ["head/exits/kernel", "head/exits/bias"]
    assert AlbertClassifier.from_pretrained(tmp_path / "other").early_exit == ""


def test_a_run_that_lost_its_last_checkpoint_gets_the_same_weights(run, data, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    for path in folder.glob("ckpt-16.*"):
        path.unlink()
    train(folder, **MACROS | dict(VOCAB=str(tiny_task.VOCAB)), **data)
    one, two = (tf.train.load_checkpoint(str(path / "ckpt-16")) for path in (run, folder))
    names = [n for n in one.get_variable_to_shape_map() if "exits" in n or "groups" in n]
    assert len(names) > 40
    for name in names:
        np.testing.assert_array_equal(one.get_tensor(name), two.get_tensor(name), err_msg=name)
    with pytest.raises(InputError, match="A run must resume with the heads in its folder"):
        train(folder, **MACROS | dict(VOCAB=str(tiny_task.VOCAB), EARLY_EXIT="after"), **data)


def test_heads_that_are_trained_afterwards_leave_the_model_as_it_is(run, data, tmp_path):
    plain = dict(INIT_FROM=str(run), TRAIN_STEPS=4, EVAL_INTERVAL=4, WARMUP_STEPS=1, SEQ_LENGTH=24)
    plain |= dict(BATCH_SIZE=8, LEARNING_RATE=0.01, SUMMARY_INTERVAL=4, EARLY_EXIT="after")
    metrics = train(tmp_path / "after", **plain, **data)
    assert metrics["metric"] == "accuracy_of_layers"
    one, two = (AlbertClassifier.from_pretrained(path) for path in (run, tmp_path / "after"))
    for a, b in zip(one.encoder.weights, two.encoder.weights):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one.head.kernel, two.head.kernel)
    assert np.abs(one.head.exits.kernel - two.head.exits.kernel).max() > 1e-3


def task_of(data, **config):
    model = {**tiny_task.MODEL, **SIZES}
    return tiny_task.task(ClassificationTask, *data.values(), model=model, seq_length=24, **config)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (dict(early_exit="late"), "EARLY_EXIT must be joint or after"),
        (dict(early_exit=3), "EARLY_EXIT must be joint or after"),
        (dict(early_exit="after"), "EARLY_EXIT=after adds heads to a classifier"),
        (dict(early_exit="joint", exit_threshold=1.01), "EXIT_THRESHOLD must be a probability"),
        (dict(early_exit="joint", exit_threshold="0.5"), "EXIT_THRESHOLD must be a probability"),
        (dict(early_exit="joint", exit_threshold=True), "EXIT_THRESHOLD must be a probability"),
        (dict(early_exit="joint", exit_loss=-1), "EXIT_LOSS must be a number of points"),
        (dict(early_exit="joint", exit_loss="1%"), "EXIT_LOSS must be a number of points"),
        (dict(exit_threshold=0.5), "An exit threshold needs a model with a head for each layer"),
    ],
)
def test_bad_settings_are_refused_before_training(data, config, message):
    with pytest.raises(InputError, match=message):
        task_of(data, **config)


def test_numbers_have_no_confidence(data, tmp_path):
    path = tmp_path / "numbers.jsonl"
    path.write_text('{"text": "a", "label": 0.5}\n{"text": "b", "label": 1.5}\n')
    with pytest.raises(InputError, match="EARLY_EXIT needs classes or labels.*for numbers"):
        task_of(dict(TRAIN_DATA=path, EVAL_DATA=path), early_exit="joint")


def test_the_loss_is_the_weighted_mean_of_the_losses_of_all_layers(data):
    task = task_of(data, early_exit="joint", classifier_dropout=0.0)
    model = task.build_model()
    batch = next(iter(task.build_inputs(task.task_config.train_data)))
    logits = task.forward(model, batch).numpy().astype(np.float64)  # [B, L, C]
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    right = np.take_along_axis(shares, batch["label"].numpy()[:, None, None], 2)[..., 0]
    wanted = (-np.log(right) * np.array([0.1, 0.2, 0.3, 0.4])).sum(1)
    np.testing.assert_allclose(layer_weights(4), [0.1, 0.2, 0.3, 0.4], rtol=1e-6)
    found = task.losses(batch, tf.constant(logits, tf.float32))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_the_tuned_threshold_uses_the_fewest_layers_for_the_metric_to_keep():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(60, 3, 4)).astype(np.float32) * [[[1], [2], [4]]]
    wanted = logits[:, -1].argmax(-1)  # The last layer is always right.
    exits = Exits("classification", "first", list(logits.astype(np.float32)))

    def score(answers):
        return float((answers.argmax(-1) == wanted).mean())

    sure = confidence("classification", logits[:, :-1]).numpy()
    found = exits.tuned(score, 0.9)
    assert score(exits.answers(found)) >= 0.9
    # No other threshold, of all that differ, uses clearly fewer layers.
    for threshold in [0.0, *sure.ravel()]:
        if score(exits.answers(float(threshold))) >= 0.9:
            assert exits.used(found).mean() <= exits.used(float(threshold)).mean() + 0.1
    assert exits.tuned(score, 1.1) == 1.0
    assert exits.tuned(score, 0.0) == 0.0
    assert exits.used(0.0).tolist() == [1] * 60


def test_another_number_of_layers_is_refused(run, data, tmp_path):
    macros = dict(TRAIN_STEPS=1, SEQ_LENGTH=32, INIT_FROM=str(run), NUM_LAYERS=2)
    with pytest.raises(InputError, match="must keep its layers. Received NUM_LAYERS=2 for"):
        train(tmp_path / "student", **macros, **data)
    assert not (tmp_path / "student").exists()


@pytest.mark.parametrize("mode", ["joint", "after"])
def test_a_teacher_and_heads_of_layers_are_refused(run, data, mode, tmp_path):
    starts = dict(INIT_FROM=str(run), TEACHER=str(run))
    macros = dict(TRAIN_STEPS=1, SEQ_LENGTH=32, EARLY_EXIT=mode, **starts)
    message = f"at once. Received EARLY_EXIT='{mode}' and TEACHER='{run}'. Train the student first"
    with pytest.raises(InputError, match=message):
        train(tmp_path / "student", **macros, **data)
