"""An exported encoder in models of Keras 3: outputs, training, saving and loading."""

import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from albert_tf import keras3
from albert_tf.errors import InputError
from albert_tf.keras3 import HubLayer
from albert_tf.modeling.pretrainer import AlbertPretrainer
from albert_tf.serving.hub_encoder import HubEncoder
from albert_tf.serving.shared_model import SharedModel
from tests.support import layout
from tests.support.goldens import TESTDATA, TOLERANCE, difference, io
from tests.support.paths import ROOT

NAMES = ("input_word_ids", "input_mask", "input_type_ids")
GOLDEN = dict(zip(NAMES, (io("tf1_tiny")[n] for n in ("input_ids", "input_mask", "segment_ids"))))
ROWS, LENGTH = GOLDEN["input_word_ids"].shape
LABELS = np.arange(ROWS) % 3


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A module with dropout, as `albert-tf export encoder` writes them."""
    folder = tmp_path_factory.mktemp("hub") / "encoder"
    model = AlbertPretrainer.from_pretrained(TESTDATA / "tf1_tiny")
    for layer in model._flatten_layers():
        if hasattr(layer, "rate"):
            layer.rate = 0.3
    shared = SharedModel(model.encoder, model.masked_lm)
    assets = {"sp_model_file": TESTDATA / "tokenization/spm.model"}
    tf.saved_model.save(HubEncoder(shared, True, assets), str(folder))
    return folder


def inputs(length=None):
    return {name: keras.Input([length], dtype="int32", name=name) for name in NAMES}


def classifier(layer, length=None):
    """A model whose head is small, so that its weights do not matter."""
    given = inputs(length)
    head = keras.layers.Dense(3, kernel_initializer=keras.initializers.RandomNormal(seed=4))
    model = keras.Model(given, head(layer(given)["pooled_output"]))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss)
    return model


def values(layer):
    return [variable.numpy() for variable in layer.module.variables]


def test_outputs_equal_those_of_the_original(path):
    outputs = HubLayer(path)(GOLDEN)
    for name in ("pooled_output", "sequence_output"):
        assert difference(outputs[name], io("tf1_tiny")[name]) < TOLERANCE
    other = dict(zip(("input_ids", "input_mask", "segment_ids"), GOLDEN.values()))
    assert difference(HubLayer(path)(other)["default"], outputs["pooled_output"]) == 0


@pytest.mark.parametrize("length", [None, 9])
def test_outputs_have_the_static_sizes_of_the_inputs(path, length):
    outputs = HubLayer(path)(inputs(length))
    assert outputs["pooled_output"].shape == outputs["default"].shape == (None, 32)
    assert outputs["sequence_output"].shape == (None, length, 32)
    assert [x.shape for x in outputs["encoder_outputs"]] == [(None, length, 32)] * 3
    if length:
        flat = keras.layers.Flatten()(outputs["sequence_output"])
        assert keras.layers.Dense(5)(flat).shape == (None, 5)


def test_fit_trains_every_weight_and_a_saved_model_gives_the_same_outputs(path, tmp_path):
    keras.utils.set_random_seed(1)
    layer = HubLayer(path, name="albert")
    assert len(layer.trainable_variables) == len(layer.variables) == 25
    model, before = classifier(layer), values(layer)
    assert layer.count_params() == 14048
    losses = model.fit(GOLDEN, LABELS, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    changed = [not np.array_equal(old, new) for old, new in zip(before, values(layer))]
    assert all(changed)
    expected = model(GOLDEN)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(again(GOLDEN), expected, atol=1e-6)
    for ours, theirs in zip(values(layer), values(again.get_layer("albert"))):
        np.testing.assert_array_equal(ours, theirs)
    # The loaded model trains on, and the module in the folder is unchanged.
    again.fit(GOLDEN, LABELS, verbose=0)
    assert not np.array_equal(values(again.get_layer("albert"))[0], values(layer)[0])
    np.testing.assert_array_equal(values(HubLayer(path))[0], before[0])


def test_gradients_equal_those_of_the_module(path):
    layer = HubLayer(path)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(GOLDEN)["pooled_output"] ** 2)
    found = tape.gradient(loss, [variable.value for variable in layer.trainable_variables])
    module = tf.saved_model.load(str(path))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(module(GOLDEN)["pooled_output"] ** 2)
    for ours, theirs in zip(found, tape.gradient(loss, module.trainable_variables), strict=True):
        ours, theirs = (tf.convert_to_tensor(gradient) for gradient in (ours, theirs))
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_frozen_layer_keeps_its_weights_and_uses_no_dropout(path):
    layer = HubLayer(path, trainable=False)
    assert layer.trainable_variables == [] and len(layer.non_trainable_variables) == 25
    model, before = classifier(layer), values(layer)
    model.fit(GOLDEN, LABELS, verbose=0)
    for old, new in zip(before, values(layer)):
        np.testing.assert_array_equal(old, new)
    expected = layer(GOLDEN)["pooled_output"]
    assert difference(layer(GOLDEN, training=True)["pooled_output"], expected) == 0
    layer.trainable = True
    assert len(layer.trainable_variables) == 25
    assert difference(layer(GOLDEN)["pooled_output"], expected) == 0
    assert difference(layer(GOLDEN, training=True)["pooled_output"], expected) > 0.01


def test_a_frozen_layer_is_saved_as_one(path, tmp_path):
    model = classifier(HubLayer(path, trainable=False))
    model.fit(GOLDEN, LABELS, verbose=0)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert len(again.trainable_variables) == 2


def test_a_sequential_model_takes_the_layer(path):
    model = keras.Sequential([HubLayer(path), keras.layers.Lambda(lambda x: x["pooled_output"])])
    assert difference(model(GOLDEN), io("tf1_tiny")["pooled_output"]) < TOLERANCE


def test_ids_of_another_whole_type_are_cast_and_floats_are_rejected(path):
    wide = {name: tensor.astype(np.int64) for name, tensor in GOLDEN.items()}
    expected = HubLayer(path)(GOLDEN)["pooled_output"]
    assert difference(HubLayer(path)(wide)["pooled_output"], expected) == 0
    floats = {name: keras.Input([None], name=name) for name in NAMES}
    with pytest.raises(InputError, match="'input_.*' of type float32. Pass dtype=\"int32\""):
        HubLayer(path)(floats)


def test_a_folder_that_is_missing_damaged_or_of_another_kind_is_named(path, tmp_path):
    with pytest.raises(InputError, match="Received 'gs://x/encoder', which has no saved_model.pb"):
        HubLayer("gs://x/encoder")
    copy = shutil.copytree(path, tmp_path / "copy")
    model = classifier(HubLayer(copy))
    model.save(tmp_path / "m.keras")
    (copy / "variables/variables.index").write_bytes(b"damaged")
    with pytest.raises(InputError, match="copy', which TensorFlow cannot load"):
        HubLayer(copy)
    shutil.rmtree(copy)
    with pytest.raises(InputError, match="copy', which has no saved_model.pb .*move it back"):
        keras.models.load_model(tmp_path / "m.keras")
    tf.saved_model.save(tf.Module(), str(tmp_path / "empty"))
    with pytest.raises(InputError, match="empty', a module without a call or without trainable"):
        HubLayer(tmp_path / "empty")


def test_another_backend_is_refused(path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match="Received the Keras backend 'jax'. Set KERAS_BACKEND"):
        HubLayer(path)


def test_the_module_imports_only_tensorflow_and_keras():
    files = ("albert_tf/__init__.py", "albert_tf/errors.py", "albert_tf/version.py")
    imported = {
        name.split(".")[0]
        for file in (*files, keras3.__file__)
        for name in layout.imports(ROOT / file)
    }
    heavy = imported - {"__future__", "albert_tf", "collections", "difflib", "importlib", "os"}
    assert heavy - {"pathlib", "re", "typing"} == {"keras", "tensorflow"}
    (own,) = (n for n in layout.imports(ROOT / keras3.__file__) if n.startswith("albert_tf"))
    assert re.fullmatch(r"albert_tf\.errors\.InputError", own)
