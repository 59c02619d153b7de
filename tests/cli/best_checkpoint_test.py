"""A run means its best checkpoint for every command, which says so."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import albert_tf
from albert_tf.config import AlbertConfig
from albert_tf.tasks.classification.model import AlbertClassifier
from tests.support import tiny_task
from tests.support.commands import call

CONFIG = AlbertConfig(**tiny_task.MODEL)


@pytest.fixture(scope="module")
def run(tmp_path_factory, spm):
    """The folder of a run whose best checkpoint differs from its last one, and both models."""
    folder, models = tmp_path_factory.mktemp("best") / "run", {}
    for seed, (name, path) in enumerate((("last", folder), ("best", folder / "best"))):
        tf_keras.utils.set_random_seed(seed)
        models[name] = AlbertClassifier(CONFIG, labels=["no", "yes"])
        models[name].save_pretrained(path, spm)
    return folder, models


def test_python_takes_the_best_checkpoint(run, spm):
    folder, models = run
    batch = spm(["a fine film", "a waste"])
    expected = models["best"](batch).numpy()
    assert np.max(np.abs(models["last"](batch).numpy() - expected)) > 1e-3
    loaded = albert_tf.AlbertClassifier.from_pretrained(folder)
    np.testing.assert_array_equal(loaded(batch), expected)
    encoder = albert_tf.AlbertEncoder.from_pretrained(folder)
    pooled = models["best"].encoder(batch)["pooled_output"]
    np.testing.assert_array_equal(encoder(batch)["pooled_output"], pooled)
    last = albert_tf.AlbertClassifier.from_pretrained(folder / "ckpt-1")
    np.testing.assert_array_equal(last(batch), models["last"](batch))


def test_commands_take_it_and_say_so(run, spm, tmp_path, capsys):
    folder, models = run
    (tmp_path / "in.jsonl").write_text('{"text": "a fine film"}\n')
    batch = spm(["a fine film"])
    probabilities = tf.nn.softmax(models["best"](batch)).numpy()
    pooled = models["best"].encoder(batch)["pooled_output"].numpy()
    said = f"'{folder}/best' (checkpoint"

    def output(*words):
        capsys.readouterr()
        call(*words)
        captured = capsys.readouterr()
        return captured.out + captured.err

    assert said in output("inspect", folder)
    flags = ("--input", tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl")
    assert said in output("predict", "--model", folder, *flags)
    answer = json.loads((tmp_path / "out.jsonl").read_text())
    received = [answer["probabilities"][label] for label in ("no", "yes")]
    np.testing.assert_allclose(received, probabilities[0], atol=1e-5)

    assert said in output("convert", folder, "--to", "hugging_face", tmp_path / "hf")
    converted = albert_tf.AlbertClassifier.from_pretrained(tmp_path / "hf")
    np.testing.assert_allclose(converted(batch), models["best"](batch), atol=1e-5)

    assert said in output("export", "encoder", folder, tmp_path / "hub", "--no_check")
    module = tf.saved_model.load(str(tmp_path / "hub"))
    np.testing.assert_allclose(module(batch)["pooled_output"], pooled, atol=1e-5)

    assert said in output("export", "task", folder, tmp_path / "task", "--no_check")
    served = tf.saved_model.load(str(tmp_path / "task/1")).signatures["serving_default"]
    received = served(text=tf.constant(["a fine film"]))["probabilities"]
    np.testing.assert_allclose(received, probabilities, atol=1e-5)

    flags = ("--pooling", "pooled", "--no_check")
    assert said in output("export", "task", folder, tmp_path / "vectors", *flags)
    served = tf.saved_model.load(str(tmp_path / "vectors/1")).signatures["serving_default"]
    np.testing.assert_allclose(
        served(text=tf.constant(["a fine film"]))["embedding"], pooled, atol=1e-5
    )

    assert said in output("export", "lite", folder, tmp_path / "lite")


def test_training_starts_from_it(run):
    from albert_tf.tasks import starting_point
    from albert_tf.tasks.model_config import ModelConfig

    folder, models = run
    start = starting_point.find(str(folder), False, ModelConfig(), "", "")
    kernel = models["best"].head.kernel.numpy()
    np.testing.assert_array_equal(start.source.weights["head/kernel"], kernel)
