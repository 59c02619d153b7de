"""Training of embeddings: gradient caching, settings, what is learned, and what is refused."""

import json
import random

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf.errors import InputError
from albert_tf.modeling.layers import seeded, step_seed
from albert_tf.tasks.embedding.task import EmbeddingTask
from tests.support import tiny_task

WORDS = ["file", "list", "line", "object", "string", "value", "name", "path", "data", "type"]
WORDS += ["class", "method", "module", "error", "index", "function", "return", "test"]


def pairs(path, count, seed):
    """Writes pairs of texts that share their first words, hard negatives and scores."""
    rng = random.Random(seed)
    lines = []
    for _ in range(count):
        first, second, third, other = rng.sample(WORDS, 4)
        row = dict(
            text=f"see the {first} of {second} {third}",
            second_text=f"{first} {second}{' now' * rng.randint(0, 3)}",
            negative=f"{first} {other}",
            label=rng.randint(0, 50) / 10,
        )
        lines.append(json.dumps(row))
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    root = tmp_path_factory.mktemp("embedding")
    return pairs(root / "train.jsonl", 200, 1), pairs(root / "dev.jsonl", 60, 2)


def embedding(files, **config):
    config = {"objective": "pairs", **config}
    return tiny_task.task(EmbeddingTask, *files, seq_length=24, batch_size=12, **config)


class Recorder(tf_keras.optimizers.legacy.SGD):
    """Keeps the gradients that it is to apply."""

    def apply_gradients(self, grads_and_vars, **kwargs):
        self.seen = {variable.name: tf.convert_to_tensor(g) for g, variable in grads_and_vars}


def gradients(task, model, batch):
    """Returns the loss of a training step, its gradients, and how often the encoder ran."""
    optimizer, calls = Recorder(1.0), []
    forward = task.forward
    task.forward = lambda *args: calls.append(1) or forward(*args)
    optimizer.iterations.assign(7)
    logs = task.train_step(batch, model, optimizer)
    return float(logs["loss"]), optimizer.seen, len(calls)


@pytest.mark.parametrize(
    "config", [dict(negative="negative", matryoshka=[32, 8]), dict(objective="scores")]
)
def test_micro_batches_give_the_gradients_of_the_whole_batch(config, files):
    whole, parts = embedding(files, **config), embedding(files, accumulation_steps=3, **config)
    model = whole.build_model()
    batch = next(iter(whole.build_inputs(whole.task_config.train_data)))
    loss, expected, calls = gradients(whole, model, batch)
    assert calls == 1  # Nothing is computed twice.
    split_loss, found, calls = gradients(parts, model, batch)
    assert calls == (3 if config.get("objective") else 6)
    assert split_loss == pytest.approx(loss, rel=1e-6)
    assert found.keys() == expected.keys() and len(found) > 15
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-5, err_msg=name)
    assert max(np.abs(value).max() for value in expected.values()) > 1e-2


def test_micro_batches_have_the_same_dropout_when_they_are_computed_again(files):
    task = embedding(files, hidden_dropout=0.3, attention_dropout=0.2, accumulation_steps=4)
    model = task.build_model()
    batch = next(iter(task.build_inputs(task.task_config.train_data)))
    with tf.GradientTape() as tape:
        vectors = []
        for part in range(4):  # All of them at once, with the seeds of the step.
            rows = {name: value[3 * part : 3 * part + 3] for name, value in batch.items()}
            with seeded(step_seed(0, 7 * 4 + part)):
                vectors.append(task.forward(model, rows))
        wanted = tf.reduce_mean(task.losses(batch, tf.concat(vectors, 0)))
    expected = tape.gradient(wanted, model.trainable_variables)
    loss, found, _ = gradients(task, model, batch)
    assert loss == pytest.approx(float(wanted), rel=1e-6)
    plain = tf.reduce_mean(task.losses(batch, task.inference_step(batch, model)))
    assert abs(loss - plain) > 1e-2  # Dropout was on.
    for variable, value in zip(model.trainable_variables, expected):
        if value is not None:
            value = tf.convert_to_tensor(value)
            name = variable.name
            np.testing.assert_allclose(found[name], value, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_has_about_the_same_gradients(dtype, files):
    task = embedding(files, accumulation_steps=2)
    model = task.build_model()
    batch = next(iter(task.build_inputs(task.task_config.train_data)))
    _, expected, _ = gradients(task, model, batch)
    tf_keras.mixed_precision.set_global_policy(dtype)
    try:
        half = task.build_model()
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    half.set_weights(model.get_weights())
    optimizer = Recorder(1.0)
    if dtype == "mixed_float16":
        scaling = tf_keras.mixed_precision.LossScaleOptimizer(optimizer, initial_scale=2.0**10)
        task.train_step(batch, half, scaling)
    else:
        task.train_step(batch, half, optimizer)
    name = "encoder/embeddings/word_embeddings/embeddings:0"
    name = name if name in expected else max(expected, key=lambda n: np.size(expected[n]))
    found, value = optimizer.seen[name].numpy().ravel(), expected[name].numpy().ravel()
    assert np.corrcoef(found, value)[0, 1] > 0.99
    assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(value), rel=0.1)


def test_pairs_find_each_other_after_training(files):
    task = embedding(files, negative="negative", matryoshka=[32, 8])
    untrained = tiny_task.evaluate(task, task.build_model())
    model, (metrics,) = tiny_task.learn(task, steps=80, seeds=1)
    baseline = task.baseline(task.examples(task.task_config.validation_data))
    assert untrained["recall_at_10"] < 0.7 and baseline["recall_at_10"] < 0.4
    assert metrics["recall_at_10"] > untrained["recall_at_10"] + 0.25
    assert metrics["mrr_at_10"] > 2 * untrained["mrr_at_10"]
    assert task.best_metric == "mrr_at_10"


def test_the_initial_weights_are_evaluated_and_reported(files):
    task = embedding(files, objective="scores")
    model = task.build_model()
    task.initialize(model)
    metrics = tiny_task.evaluate(task, model)
    assert task.results.references["initial"] == pytest.approx(metrics, abs=1e-6)
    text = task.report(metrics)
    assert text.splitlines()[1].split() == ["metric", "model", "baseline", "initial", "words"]
    spearman = next(line for line in text.splitlines() if line.startswith("  spearman")).split()
    assert float(spearman[1]) == float(spearman[3]) and len(spearman) == 5
    assert task.best_metric == "spearman"


def test_single_texts_have_their_uniformity(files):
    task = embedding(files, objective="texts", hidden_dropout=0.1)
    train, held = task.task_config.train_data, task.task_config.validation_data
    assert next(iter(task.build_inputs(train)))["input_word_ids"].shape[1] == 2
    examples = task.examples(held)
    assert examples.choices == 1 and len(examples) == 60
    metrics = tiny_task.evaluate(task, task.build_model())
    assert list(metrics) == ["uniformity"] and task.best_metric == "uniformity"


def test_the_description_has_pooling_and_sizes_but_no_column_to_train_on(files, tmp_path):
    config = dict(text="second_text", second_text="text", pooling="mean,cls", normalize=True)
    task = embedding(files, matryoshka=[64, 16], **config)
    expected = {"text": "text", "pooling": ["cls", "mean"], "normalize": True}
    expected |= {"matryoshka": [64, 16], "seq_length": 24}
    assert task.describe().settings == expected
    folder = tiny_task.save(task, task.build_model(), tmp_path / "run")
    params = EmbeddingTask.config_class()(objective="pairs", init_from=str(folder))
    params.train_data.input_path = str(files[0])
    again = EmbeddingTask(params)
    settings = again.describe().settings  # The pooling is kept, and the sizes are not.
    assert settings["pooling"] == ["cls", "mean"] and "matryoshka" not in settings
    assert embedding(files, objective="texts", hidden_dropout=0.1).settings()["text"] == "text"
    assert not embedding(files).build_model().encoder.pooler_layer.trainable


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (dict(objective=""), "OBJECTIVE must say what a row of the data is. Received ''"),
        (dict(temperature=0.0), "TEMPERATURE must be a positive number. Received 0.0"),
        (dict(temperature=float("nan")), "TEMPERATURE must be a positive number. Received nan"),
        (dict(matryoshka=[33, 8]), r"each at most 32, that of the model. Received \[33, 8\]"),
        (dict(matryoshka=[8, 16]), r"DIMENSIONS must be .* Received \[8, 16\]"),
        (dict(matryoshka=[16, 16]), r"DIMENSIONS must be .* Received \[16, 16\]"),
        (dict(matryoshka=[16, 0]), r"DIMENSIONS must be .* Received \[16, 0\]"),
        (dict(matryoshka=["16"]), r"DIMENSIONS must be .* Received \['16'\]"),
        (dict(pooling="average"), "Unknown pooling. Received 'average'"),
        (dict(second_text="text"), "in columns of their own.*Received text, text. Correct TEXT"),
        (dict(negative="second_text"), "Received text, second_text, second_text. Correct TEXT"),
        (dict(eval_text="second_text"), "Received second_text, second_text. Correct TEXT"),
        (dict(objective="scores", eval_second_text="text"), "Received text, text. Correct TEXT"),
        (dict(objective="texts"), "OBJECTIVE=texts compares .*Received rates of 0. Set DROPOUT"),
        (
            dict(eval_fraction=0.2, eval_objective="scores"),
            "EVAL_FRACTION=0.2 with EVAL_OBJECTIVE='scores'",
        ),
    ],
)
def test_wrong_settings_are_errors(config, message, files):
    files = (files[0], "") if "eval_fraction" in config else files
    with pytest.raises(InputError, match=message):
        embedding(files, **config)


def test_a_batch_needs_negatives(files, tmp_path):
    with pytest.raises(InputError, match="so a batch needs at least two. Received BATCH_SIZE=1"):
        tiny_task.task(EmbeddingTask, *files, seq_length=24, batch_size=1, objective="pairs")
    tiny_task.task(EmbeddingTask, *files, seq_length=24, batch_size=1, objective="scores")
    same = tmp_path / "same.csv"
    same.write_text("text,second_text\na,the file\nb,the file\n")
    with pytest.raises(InputError, match=r"Received 2 row\(s\) with the same text in '.*same.csv'"):
        embedding((same, ""))
