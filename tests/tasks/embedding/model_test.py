"""`AlbertEmbedder`: every pooling against NumPy, and what is saved."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.embedding_settings import MODES
from albert_tf.errors import InputError
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.tasks.embedding.model import AlbertEmbedder, as_embedding
from tests.support import tiny_task
from tests.support.paths import TESTDATA

IDS = np.array([[2, 9, 40, 7, 3], [2, 11, 3, 0, 0], [2, 3, 0, 0, 0]], np.int32)
MASK = (IDS > 0).astype(np.int32)
CONFIG = AlbertConfig(**tiny_task.MODEL)
BATCH = {"input_word_ids": IDS, "input_mask": MASK, "input_type_ids": IDS * 0}


@pytest.fixture(scope="module")
def expected():
    """The vectors of each mode, from the outputs of the encoder alone."""
    outputs = AlbertEncoder.from_pretrained(TESTDATA / "tf1_tiny")(BATCH)
    tokens = [row[:count] for row, count in zip(outputs["sequence_output"].numpy(), MASK.sum(1))]
    rank = [np.arange(1, len(row) + 1)[:, np.newaxis] for row in tokens]
    return {
        "cls": np.stack([row[0] for row in tokens]),
        "max": np.stack([row.max(0) for row in tokens]),
        "mean": np.stack([row.mean(0) for row in tokens]),
        "mean_sqrt_len": np.stack([row.sum(0) / len(row) ** 0.5 for row in tokens]),
        "weighted_mean": np.stack([(row * r).sum(0) / r.sum() for row, r in zip(tokens, rank)]),
        "last": np.stack([row[-1] for row in tokens]),
        "pooled": outputs["pooled_output"].numpy(),
    }


@pytest.mark.parametrize("pooling", [*MODES, "last, cls", ["pooled", "mean", "max"]])
def test_vectors_equal_those_of_numpy(pooling, expected):
    names = pooling.split(", ") if isinstance(pooling, str) else pooling
    wanted = np.concatenate([expected[mode] for mode in MODES if mode in names], axis=1)
    model = AlbertEmbedder.from_pretrained(TESTDATA / "tf1_tiny", pooling=pooling)
    vectors = model(BATCH).numpy()
    assert vectors.shape == wanted.shape and np.max(np.abs(vectors - wanted)) < 1e-5
    model = AlbertEmbedder.from_pretrained(TESTDATA / "tf1_tiny", pooling=pooling, normalize=True)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    assert np.max(np.abs(model(BATCH).numpy() - wanted)) < 1e-5
    assert model.encoder.pooler_layer.trainable == ("pooled" in names)


def test_all_tokens_count_without_a_mask(expected):
    model = AlbertEmbedder.from_pretrained(TESTDATA / "tf1_tiny", pooling="mean")
    assert np.max(np.abs(model(IDS[:1]).numpy() - expected["mean"][:1])) < 1e-5
    aliases = {"input_ids": IDS, "attention_mask": MASK}
    assert np.max(np.abs(model(aliases).numpy() - expected["mean"])) < 1e-5


def test_a_row_without_tokens_has_finite_vectors():
    batch = {"input_word_ids": IDS[:1], "input_mask": IDS[:1] * 0}
    model = AlbertEmbedder.from_pretrained(TESTDATA / "tf1_tiny", pooling=MODES, normalize=True)
    assert np.isfinite(model(batch).numpy()).all()


def test_padding_removal_changes_nothing(expected):
    model = AlbertEmbedder.from_pretrained(TESTDATA / "tf1_tiny", pooling=MODES)
    model.encoder.remove_padding = True
    wanted = np.concatenate([expected[mode] for mode in MODES], axis=1)
    assert np.max(np.abs(model(BATCH).numpy() - wanted)) < 1e-5


def test_it_is_saved_with_its_pooling(tmp_path):
    model = AlbertEmbedder(CONFIG, ["max", "cls"], normalize=True)
    vectors = model(BATCH).numpy()
    model.save_pretrained(tmp_path / "folder")
    loaded = AlbertEmbedder.from_pretrained(tmp_path / "folder")
    assert loaded.describe().settings["pooling"] == ["cls", "max"]
    assert np.array_equal(loaded(BATCH).numpy(), vectors)
    model.save(tmp_path / "model.keras")
    again = tf_keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(again(BATCH).numpy(), vectors)


DENSE = [dict(units=7, normalize_input=True), dict(units=5, activation="relu", use_bias=False)]


@pytest.fixture(scope="module")
def dense():
    """A model with dense layers on "mean" and "cls", of which the first 3 numbers are kept."""
    model = AlbertEmbedder.from_pretrained(
        TESTDATA / "tf1_tiny", pooling="mean,cls", normalize=True, dense=DENSE, dimensions=3
    )
    rng = np.random.default_rng(2)
    for variable in model.head.weights:
        variable.assign(rng.normal(size=variable.shape))
    return model


def test_dense_layers_equal_those_of_numpy(dense, expected):
    inputs = np.concatenate([expected["cls"], expected["mean"]], axis=1)
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    first, bias, second = (variable.numpy() for variable in dense.head.weights)
    assert first.shape == (64, 7) and bias.shape == (7,) and second.shape == (7, 5)
    wanted = np.maximum(np.tanh(inputs @ first + bias) @ second, 0)[:, :3]
    assert np.max(np.abs(dense.vectors(BATCH) - wanted)) < 1e-5
    assert np.count_nonzero(wanted) > 4
    wanted /= np.maximum(np.linalg.norm(wanted, axis=1, keepdims=True), 1e-12)
    assert np.max(np.abs(dense(BATCH) - wanted)) < 1e-5


def test_dense_layers_are_saved(dense, tmp_path):
    vectors = dense(BATCH).numpy()
    dense.save_pretrained(tmp_path / "folder")
    loaded = AlbertEmbedder.from_pretrained(tmp_path / "folder")
    assert np.array_equal(loaded(BATCH).numpy(), vectors)
    described = loaded.describe().settings
    assert described["dimensions"] == 3 and described["dense"][0] == {
        "units": 7, "activation": "tanh", "use_bias": True, "normalize_input": True
    }  # fmt: skip
    dense.save(tmp_path / "model.keras")
    again = tf_keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(again(BATCH).numpy(), vectors)
    copy = AlbertEmbedder.from_config(dense.get_config())
    copy.set_weights(dense.get_weights())
    assert np.array_equal(copy(BATCH).numpy(), vectors)


def test_dense_layers_are_trained():
    model = AlbertEmbedder(CONFIG, dense=[dict(units=6)])
    assert {id(v) for v in model.head.weights} <= {id(v) for v in model.trainable_variables}
    before = [variable.numpy() for variable in model.head.weights]
    model.compile(tf_keras.optimizers.Adam(1e-2), "mse")
    model.fit(tf.data.Dataset.from_tensors((BATCH, np.eye(3, 6))), verbose=0)
    assert all(np.any(old != new) for old, new in zip(before, model.head.weights))


@pytest.mark.parametrize("remove_padding", [False, True])
@pytest.mark.parametrize("windows", ["mean", "max"])
def test_windows_are_pooled_before_vectors_are_normalized(windows, remove_padding):
    model = AlbertEmbedder.from_pretrained(
        TESTDATA / "tf1_tiny", pooling="max", normalize=True, dimensions=9, windows=windows
    )
    rows = model.vectors(BATCH).numpy()  # Those of IDS, which are the windows of two texts.
    model.encoder.remove_padding = remove_padding
    ids = np.stack([IDS[:2], np.stack([IDS[2], IDS[2] * 0])])  # [2, 2, S]
    batch = {"input_word_ids": ids, "input_mask": (ids > 0).astype(np.int32)}
    pool = np.mean if windows == "mean" else np.max
    wanted = np.stack([pool(rows[:2], axis=0), rows[2]])
    assert np.max(np.abs(model.vectors(batch) - wanted)) < 1e-5
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    for training in (False, True):
        found = model(batch, training=training)
        assert found.shape == (2, 9) and np.max(np.abs(found - wanted)) < 1e-5
    assert model.describe().settings["windows"] == windows
    assert AlbertEmbedder.from_config(model.get_config()).windows == windows


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(dense={"units": 3}), "must be a list with a dict for each. Received {'units': 3}"),
        (dict(dense=[3]), "must be a dict with 'units'.*Received 3"),
        (dict(dense=[{"activation": "tanh"}]), "must be a dict with 'units'.*Received {'activati"),
        (dict(dense=[{"units": 2.5}]), "at least 1. Received 2.5"),
        (dict(dense=[{"units": True}]), "at least 1. Received True"),
        (dict(dense=[{"units": 3, "activation": "swish"}]), "Received 'swish'. All: gelu"),
        (dict(dimensions=33), "between 1 and 32, their size. Received 33"),
        (dict(dimensions=4, dense=[dict(units=3)]), "between 1 and 3, their size. Received 4"),
        (dict(dimensions="8"), "at least 1. Received '8'"),
        (dict(dimensions=-1), "at least 1. Received -1"),
        (dict(normalize="yes"), "normalize must be true or false. Received 'yes'"),
        (dict(windows="all"), "WINDOWS must be one of first, mean, max. Received 'all'"),
    ],
)
def test_settings_that_break_a_rule_are_one_error(arguments, message):
    with pytest.raises(InputError, match=message) as error:
        AlbertEmbedder(CONFIG, **arguments)
    assert "\n" not in str(error.value)


def test_keras_trains_it():
    model = AlbertEmbedder(CONFIG, "mean", normalize=True)
    model.compile(tf_keras.optimizers.Adam(1e-2), "cosine_similarity")
    goal = np.eye(3, CONFIG.hidden_size, dtype=np.float32)
    data = tf.data.Dataset.from_tensors((BATCH, goal)).repeat(30)
    losses = model.fit(data, epochs=1, steps_per_epoch=1, verbose=0).history["loss"]
    losses += model.fit(data, epochs=1, steps_per_epoch=29, verbose=0).history["loss"]
    assert model.evaluate(data.take(1), verbose=0) < losses[0] - 0.3


@pytest.mark.parametrize(
    ("pooling", "message"),
    [
        ("sum", "Unknown pooling. Received 'sum'"),
        ("mean,", "Received ''"),
        ([], "Received no mode"),
        (7, "a list of names. Received 7"),
    ],
)
def test_an_unknown_pooling_is_an_error(pooling, message):
    with pytest.raises(InputError, match=message):
        AlbertEmbedder(CONFIG, pooling)


def test_a_model_of_any_kind_becomes_one_for_embeddings():
    source = as_embedding(TESTDATA / "tf1_tiny")
    assert source.task.settings == {"pooling": ["mean"], "normalize": False}
    again = as_embedding(as_embedding(source, "max", True))
    assert again.task.settings == {"pooling": ["max"], "normalize": True}
    assert as_embedding(again, "cls").task.settings == {"pooling": ["cls"], "normalize": True}
    again.task.settings.update(windows="mean", doc_stride=5)
    assert as_embedding(again, windows="max").task.settings["doc_stride"] == 5
    assert "doc_stride" not in as_embedding(again, windows="first").task.settings
