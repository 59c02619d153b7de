"""Keras saves and loads every model, under any dtype policy."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf import AlbertEncoder
from albert_tf.errors import InputError
from albert_tf.modeling.embeddings import Table
from albert_tf.modeling.layers import norms
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.fill_mask.model import AlbertMaskedLM
from tests.support.keras_models import CONFIG, MODELS, B, S, batch, make, randomize
from tests.support.paths import TESTDATA

FORMATS = {"keras": "model.keras", "SavedModel": "model"}
MIXED = ["mixed_float16", "mixed_bfloat16"]


def largest(ours, theirs):
    """Returns the largest difference between two structures of the same keys and dtypes."""
    tf.nest.assert_same_structure(ours, theirs)
    pairs = zip(tf.nest.flatten(ours), tf.nest.flatten(theirs), strict=True)
    return max(float(np.abs(np.float64(a) - np.float64(b)).max()) for a, b in pairs)


def saved(model, path):
    model.save(path)
    return tf_keras.models.load_model(path)


@contextlib.contextmanager
def global_policy(policy):
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy(policy)
    yield
    tf_keras.mixed_precision.set_global_policy(before)


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
def test_a_saved_model_is_loaded_as_it_was(cls, format_name, tmp_path):
    model, features = make(cls, name="mine"), batch(cls)
    for part in model.layers:  # as in weights from transformers and KerasHub
        for norm in norms(part):
            norm.epsilon = 0.2 if part is model.encoder else 0.4
    model.compile("sgd", tf_keras.losses.Huber(delta=0.7))  # it is not called before it is saved
    loaded = saved(model, tmp_path / FORMATS[format_name])
    assert type(loaded) is cls and loaded.name == "mine"
    assert loaded.get_config() == model.get_config()
    assert loaded.loss.get_config() == model.loss.get_config()
    assert largest(loaded(features), model(features)) == 0
    again = make(cls)
    assert largest(again(features), model(features)) > 1e-3  # epsilons matter here


def test_a_model_with_loaded_weights_is_saved(tmp_path):
    model = AlbertMaskedLM.from_pretrained(TESTDATA / "kerashub_tiny_mlm")
    assert norms(model.head)[0].epsilon == 1e-5
    loaded = saved(model, tmp_path / "model.keras")
    ids = dict(token_ids=np.array([[2, 9, 4, 5, 3]], np.int32))
    assert largest(loaded(ids), model(ids)) == 0
    with pytest.raises(InputError, match="must be in a known format. Received '.*model.keras'"):
        AlbertClassifier.from_pretrained(tmp_path / "model.keras")


@pytest.mark.parametrize("trainable", [True, False])
def test_training_continues_after_loading(trainable, tmp_path):
    features, labels = batch(AlbertClassifier), np.array([2, 0])
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = make(AlbertClassifier, dropout_rate=0.0)
    model.encoder.trainable = trainable
    model.compile("adam", loss, metrics=["accuracy"])
    model.fit(features, labels, verbose=0)
    loaded = saved(model, tmp_path / "model.keras")
    assert loaded.labels == ("bad", "good", "so so")
    assert len(loaded.trainable_weights) == (len(model.weights) if trainable else 2)
    wanted = [model.train_on_batch(features, labels) for _ in range(2)]
    actual = [loaded.train_on_batch(features, labels) for _ in range(2)]
    np.testing.assert_allclose(actual, wanted, rtol=1e-6)


@pytest.mark.parametrize("name", ["model.keras", "model", "model.h5"])
def test_a_functional_model_around_a_model_can_be_saved(name, tmp_path):
    inner, features = make(AlbertClassifier), batch(AlbertClassifier)
    inputs = {key: tf_keras.Input([None], dtype=tf.int32, name=key) for key in features}
    model = tf_keras.Model(inputs, tf_keras.layers.Dense(5)(inner(inputs)))
    loaded = saved(model, tmp_path / name)
    assert largest(loaded(features), model(features)) == 0
    (again,) = (layer for layer in loaded.layers if isinstance(layer, AlbertClassifier))
    assert again.labels == inner.labels


@pytest.mark.parametrize("name", ["model.keras", "model", "model.h5"])
def test_a_functional_model_around_encoders_can_be_saved(name, tmp_path):
    sizes = dict(vocab_size=31, embedding_width=5, hidden_size=12, num_attention_heads=3)
    table = Table(31, 5, "ids", "glorot_uniform")
    given = AlbertEncoder(**sizes, num_layers=1, embedding_layer=table, name="given")
    made = AlbertEncoder(**sizes, num_layers=2, intermediate_size=20, name="made")
    ids, words = tf_keras.Input([None], dtype=tf.int32), tf_keras.Input([None, 5])
    outputs = [given(ids)["pooled_output"], made(dict(inputs_embeds=words))["sequence_output"]]
    model = tf_keras.Model([ids, words], outputs)
    randomize(model)
    loaded = saved(model, tmp_path / name)
    features = batch(AlbertClassifier)["input_word_ids"]
    features = [features, np.random.default_rng(3).normal(size=[B, S, 5]).astype(np.float32)]
    assert largest(loaded(features), model(features)) == 0


@pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("name", ["model.weights.h5", "model.h5", "model"])
def test_weights_are_loaded_into_a_new_model(cls, name, tmp_path):
    model, new = make(cls), cls(CONFIG, **MODELS[cls])
    model.save_weights(tmp_path / name)
    new.load_weights(tmp_path / name)
    assert largest(new(batch(cls)), model(batch(cls))) == 0


@pytest.mark.parametrize(
    ("policy", "tolerance"),
    [("mixed_float16", 0.02), ("mixed_bfloat16", 0.2), ("float16", 0.02), ("float64", 1e-4)],
)
@pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
def test_a_dtype_policy_is_followed_by_all_parts(cls, policy, tolerance, tmp_path):
    features, plain, model = batch(cls), make(cls), make(cls, dtype=policy)
    with global_policy(policy):
        same = make(cls)
    for variable in (*plain.weights, *model.weights, *same.weights):
        variable.assign(variable * tf.cast(0.3, variable.dtype))
    dtypes = tf_keras.mixed_precision.Policy(policy)
    outputs = model.encoder(features["input_word_ids"].reshape([-1, S]))
    assert outputs["sequence_output"].dtype == dtypes.compute_dtype
    assert model.encoder.pooler_layer.kernel.dtype == dtypes.variable_dtype
    computed = model(features)
    assert largest(same(features), computed) == 0
    if cls.__name__ != "AlbertJointSpanLabeler":  # its beams depend on the order of near scores
        assert largest(computed, plain(features)) < tolerance
    loaded = saved(model, tmp_path / "model.keras")  # loads under float32
    assert largest(loaded(features), computed) == 0
    with global_policy("mixed_bfloat16"):
        plain.save(tmp_path / "plain.keras")
        again = tf_keras.models.load_model(tmp_path / "plain.keras")
        assert largest(again(features), plain(features)) == 0


@pytest.mark.parametrize("policy", MIXED)
def test_weights_saved_under_a_mixed_policy_load_under_float32(policy, tmp_path):
    features = batch(AlbertClassifier)
    mixed, plain = make(AlbertClassifier, dtype=policy), AlbertClassifier(CONFIG, num_classes=3)
    mixed.save_weights(tmp_path / "a.h5")
    plain.load_weights(tmp_path / "a.h5")
    assert largest(plain(features), make(AlbertClassifier)(features)) == 0
    plain.save_weights(tmp_path / "b.h5")
    back = AlbertClassifier(CONFIG, num_classes=3, dtype=tf_keras.mixed_precision.Policy(policy))
    back.load_weights(tmp_path / "b.h5")
    assert back.encoder.compute_dtype == policy.removeprefix("mixed_")
    assert largest(back(features), mixed(features)) <= 1e-6


def test_a_masked_lm_without_positions_computes_all_of_them():
    model, features = make(AlbertMaskedLM), batch(AlbertMaskedLM)
    del features["masked_lm_positions"]
    logits = model(features)
    assert logits.shape == (B, S, CONFIG.vocab_size)
    every = np.tile(np.arange(S, dtype=np.int32), [B, 1])
    wanted = model({**features, "masked_lm_positions": every})
    np.testing.assert_allclose(logits, wanted, atol=1e-6)
