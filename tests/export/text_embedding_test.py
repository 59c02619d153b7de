"""Exports of embeddings: vectors of `albert-tf embed`, and the text embedding API of TF-Hub."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub
import tensorflow_text  # noqa: F401
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.export import lite_model, manifest, task_model
from albert_tf.export.task_model import Settings
from albert_tf.keras3 import HubLayer
from albert_tf.tasks.embedding.model import AlbertEmbedder, as_embedding
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support import tiny_task
from tests.support.commands import call

TEXTS = ["a fine film", "", "another one that is longer, much longer than all of them " * 3, "x"]
LENGTH, UNITS = 13, 5
DENSE = [dict(units=7), dict(units=UNITS, activation="gelu_erf", normalize_input=True)]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A model with dense layers and weights that are far from those of a new one."""
    folder = tmp_path_factory.mktemp("source") / "model"
    tf_keras.utils.set_random_seed(5)
    model = AlbertEmbedder(AlbertConfig(**tiny_task.MODEL), "mean,max", True, DENSE)
    for variable in model.variables:
        variable.assign_add(tf.random.normal(variable.shape, stddev=0.1))
    model.settings["seq_length"] = LENGTH
    model.save_pretrained(folder, AlbertTokenizer.from_pretrained(tiny_task.VOCAB))
    return folder


@pytest.fixture(scope="module", params=["first", "mean"])
def exported(request, source, tmp_path_factory):
    """The windows, the folder of an export, and the vectors that `albert-tf embed` writes."""
    root = tmp_path_factory.mktemp("exported")
    windows = request.param
    settings = Settings(windows=windows, dimensions=4)
    path = task_model.export(source, root / "models", settings=settings, check=False)
    (root / "texts.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in TEXTS))
    call("embed", "--model", source, "--input", root / "texts.jsonl", "--output", root / "v.npy",
         "--windows", windows, "--dimensions", 4)  # fmt: skip
    return windows, path, np.load(root / "v.npy")


def test_all_calls_return_the_vectors_of_embed(exported):
    _, path, expected = exported
    assert expected.shape == (4, 4) and np.ptp(expected, axis=0).min() > 1e-3
    module = hub.load(str(path))
    texts = tf.constant(TEXTS)
    for found in (
        module(texts),
        module(texts, training=False),
        module.signatures["serving_default"](text=texts)["embedding"],
        hub.KerasLayer(str(path), dtype=tf.string, input_shape=[])(texts),
    ):
        assert found.dtype == tf.float32 and np.max(np.abs(found - expected)) < 1e-5
    assert np.allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-6)
    assert list(module.regularization_losses) == []


def test_the_windows_of_a_text_are_pooled_before_they_are_normalized(exported, source):
    windows, _, expected = exported
    model = AlbertEmbedder.from_pretrained(source, dimensions=4)
    tokenizer = AlbertTokenizer.from_pretrained(source)
    ids, (cls, sep), room = tokenizer.encode(TEXTS[2]), (2, 3), LENGTH - 2
    stride = LENGTH // 2
    starts = [0] if windows == "first" else range(0, len(ids) - room + stride, stride)
    rows = [[cls, *ids[start : start + room], sep] for start in starts]
    assert windows == "first" or (len(rows) > 3 and rows[-1][-2] == ids[-1] != rows[-2][-2])
    wanted = np.mean([model.vectors(np.array([row]))[0] for row in rows], axis=0)
    wanted /= np.linalg.norm(wanted)
    assert np.max(np.abs(expected[2] - wanted)) < 1e-5


def test_texts_without_words_have_the_vector_of_the_special_tokens(exported, source):
    _, path, expected = exported
    model = AlbertEmbedder.from_pretrained(source, dimensions=4)
    wanted = model(np.array([[2, 3]])).numpy()[0]
    module = tf.saved_model.load(str(path))
    serve = module.signatures["serving_default"]
    assert np.max(np.abs(expected[1] - wanted)) < 1e-5
    for texts in (["", ""], [" ", ""], [""]):
        for found in (module(tf.constant(texts)), serve(text=tf.constant(texts))["embedding"]):
            assert found.shape == [len(texts), 4] and np.max(np.abs(found - wanted)) < 1e-5
    none = tf.constant([], tf.string)
    assert module(none).shape == serve(text=none)["embedding"].shape == [0, 4]
    assert module(none, training=True).shape == [0, 4]


def test_gradients_reach_every_weight(exported):
    _, path, _ = exported
    module = hub.load(str(path))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(module(tf.constant(TEXTS), training=True)[:, 0])
    gradients = tape.gradient(loss, list(module.trainable_variables))
    assert len(gradients) == len(module.variables) - 2  # The pooler is not used.
    for gradient in gradients:
        assert np.max(np.abs(tf.convert_to_tensor(gradient))) > 0


def test_a_keras_layer_trains_it(exported):
    _, path, _ = exported
    text = tf_keras.Input([], dtype=tf.string)
    layer = hub.KerasLayer(str(path), dtype=tf.string, trainable=True)
    vectors = layer(text)
    assert vectors.shape.as_list() == [None, 4]
    model = tf_keras.Model(text, tf_keras.layers.Dense(2)(vectors))
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(1e-2), loss)
    before = [variable.numpy() for variable in layer.trainable_variables]
    data = tf.constant(TEXTS), tf.constant([0, 1, 1, 0])
    losses = model.fit(*data, epochs=25, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 0.2
    changed = [np.any(old != new) for old, new in zip(before, layer.trainable_variables)]
    assert len(changed) > 25 and all(changed)
    batches = tf.data.Dataset.from_tensor_slices(TEXTS).batch(2, drop_remainder=True)
    assert batches.map(hub.load(str(path))).element_spec.shape == [2, 4]


def test_keras_3_trains_it(exported, tmp_path):
    _, path, expected = exported
    layer = HubLayer(path)
    assert np.max(np.abs(layer(tf.constant(TEXTS)) - expected)) < 1e-5
    text = keras.Input([], dtype="string")
    vectors = layer(text)
    assert vectors.shape == (None, 4)
    head = keras.layers.Dense(2, kernel_initializer=keras.initializers.RandomNormal(seed=4))
    model = keras.Model(text, head(vectors))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [variable.numpy() for variable in layer.module.trainable_variables]
    model.fit(tf.constant(TEXTS), np.array([0, 1, 1, 0]), verbose=0)
    after = layer.module.trainable_variables
    assert all(np.any(old != new.numpy()) for old, new in zip(before, after))
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(again(tf.constant(TEXTS)), model(tf.constant(TEXTS)), atol=1e-6)
    with pytest.raises(InputError, match="must be texts. Received <dtype: 'int32'>"):
        layer(tf.constant([[2, 3]]))


def test_the_manifest_and_the_card_describe_the_vectors(exported):
    windows, path, _ = exported
    values = manifest.read(path)
    assert values["dimensions"] == 4 and values["pooling"] == ["max", "mean"]
    assert [layer["units"] for layer in values["dense"]] == [7, UNITS]
    assert values.get("windows", "first") == windows
    assert values.get("doc_stride") == (LENGTH // 2 if windows == "mean" else None)
    assert "hub.KerasLayer" in (path / "README.md").read_text()
    assert (path / "assets.extra/tf_serving_warmup_requests").is_file()


@pytest.mark.clean_process
def test_a_clean_process_calls_it(source, tmp_path, capsys):
    call("export", "task", source, tmp_path / "models", "--windows", "mean", "--dimensions", 3)
    assert "verified in a separate process: 4 calls" in capsys.readouterr().out


def test_lite_models_have_the_vectors_of_keras(source, tmp_path):
    chosen = Settings(dimensions=3)
    folder = lite_model.export(source, tmp_path / "lite", settings=chosen)
    run = lite_model.Interpreter(str(folder / lite_model.NAME)).get_signature_runner()
    ids = np.array([[2, 9, 40, 7, 3]], np.int32)
    found = run(input_word_ids=ids, input_mask=ids // ids, input_type_ids=ids * 0)["embedding"]
    model = AlbertEmbedder.from_pretrained(source)
    expected = model.vectors(ids).numpy()[:, :3]
    expected /= np.linalg.norm(expected)
    assert found.shape == (1, 3) and np.max(np.abs(found - expected)) < 1e-5
    assert manifest.read(folder)["dimensions"] == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--dimensions", 6), "must be between 1 and 5, their size. Received 6"),
        (("--dimensions", 0), "at least 1. Received 0"),
        (("--windows", "middle"), "WINDOWS must be one of first, mean, max. Received 'middle'"),
        (
            ("--pooling", "cls"),
            "as many modes as they take. Received cls for a model with max,mean",
        ),
    ],
)
def test_wrong_settings_are_errors(source, words, message, tmp_path):
    with pytest.raises(InputError, match=message) as error:
        call("export", "task", source, tmp_path / "models", *words)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())
    with pytest.raises(InputError, match=message):
        call("embed", "--model", source, "--output", tmp_path / "v.npy", *words)


def test_dimensions_that_were_not_trained_are_noted(source, capsys):
    model = as_embedding(source)
    model.task.settings["matryoshka"] = [5, 3]
    for size, noted in ((4, True), (3, False), (None, False)):
        assert as_embedding(model, dimensions=size).task.settings.get("dimensions") == size
        error = capsys.readouterr().err
        assert ("was trained for vectors of 5, 3 numbers" in error) == noted
