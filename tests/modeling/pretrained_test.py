import dataclasses

import numpy as np
import pytest

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats import load
from albert_tf.formats.source import Stored, Weights
from albert_tf.modeling import pretrained
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.pretrainer import AlbertPretrainer
from albert_tf.tasks.classification.model import AlbertClassifier
from tests.support.goldens import TESTDATA


@pytest.fixture
def source():
    return load.load(TESTDATA / "tf1_tiny")


def without(source, *dropped):
    kept = {
        name: Stored(source.weights.shape(name), lambda name=name: source.weights[name])
        for name in source.weights
        if not name.startswith(dropped)
    }
    return dataclasses.replace(source, weights=Weights(kept))


def test_all_variables_are_set_and_reported(source):
    model = AlbertPretrainer(source.config)
    report = pretrained.assign(model, source)
    assert len(report.assigned) == len(model.variables) == 32
    assert report.unset == report.left == report.unread == ()
    assert report.skipped == {"optimizer slots": 0, "step counters": 1}


def test_an_encoder_ignores_the_heads(source):
    report = pretrained.assign(AlbertEncoder.from_albert_config(source.config), source)
    assert len(report.left) == 7
    assert {name.partition("/")[0] for name in report.left} == {"masked_lm", "sentence_order"}


def test_a_missing_weight_is_an_error_that_changes_no_variable(source):
    model = AlbertPretrainer(source.config)
    before = model.encoder.get_embedding_table().numpy()
    partial = without(source, "sentence_order")
    message = (
        r"do not match: 0 weights unused, 2 variables not initialised \(sentence_order/classifier/k"
    )
    with pytest.raises(InputError, match=message):
        pretrained.assign(model, partial)
    np.testing.assert_array_equal(model.encoder.get_embedding_table(), before)
    report = pretrained.assign(model, partial, allow_partial=True)
    assert report.unset == ("sentence_order/classifier/kernel", "sentence_order/classifier/bias")
    assert np.any(model.encoder.get_embedding_table().numpy() != before)


def test_an_unused_weight_is_an_error(source):
    source = dataclasses.replace(source, unread=("cls/squad/output_bias",))
    with pytest.raises(
        InputError, match=r"do not match: 1 weight unused \(cls/squad/output_bias\)"
    ):
        pretrained.assign(AlbertPretrainer(source.config), source)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (dict(num_hidden_layers=5), "num_layers=5 in the model, num_hidden_layers=3"),
        (dict(num_attention_heads=8), "num_attention_heads=8 in the model"),
        (dict(hidden_act="relu"), "activation='relu' in the model, hidden_act='gelu'"),
    ],
)
def test_a_model_with_another_architecture_is_an_error(source, change, text):
    config = dataclasses.replace(source.config, **change)
    with pytest.raises(InputError, match=text):
        pretrained.assign(AlbertPretrainer(config), source)


def test_a_model_with_other_sizes_is_an_error(source):
    config = dataclasses.replace(source.config, intermediate_size=48)
    with pytest.raises(InputError, match=r"intermediate/kernel: \(32, 64\), but the model has"):
        pretrained.assign(AlbertPretrainer(config), source)


def test_the_config_of_another_model_is_an_error():
    config = AlbertConfig.from_json_file(TESTDATA / "tf1_nofactor" / "albert_config.json")
    with pytest.raises(InputError, match=r"word_embeddings: \(200, 16\), but the config requires"):
        load.load(TESTDATA / "tf1_tiny", config)


def test_weights_that_are_not_finite_are_an_error(source):
    name = "encoder/pooler/bias"
    weights = source.weights
    stored = {n: Stored(weights.shape(n), lambda n=n: weights[n]) for n in weights}
    for value in (np.nan, np.inf, -np.inf):
        bad = np.full(source.weights.shape(name), value, np.float32)
        stored[name] = Stored(bad.shape, lambda bad=bad: bad)
        changed = dataclasses.replace(source, weights=Weights(stored))
        with pytest.raises(InputError, match=f"finite. Received NaN or infinity in {name} of"):
            AlbertEncoder.from_pretrained(changed)


def test_a_config_beyond_the_stored_weights_takes_no_memory(source, monkeypatch):
    """The model is not built, as its config claims more than is stored."""
    config = dataclasses.replace(source.config, num_hidden_layers=900, num_hidden_groups=900)
    claimed = dataclasses.replace(source, config=config)
    monkeypatch.setattr(AlbertEncoder, "from_albert_config", None)
    with pytest.raises(InputError, match=r"14384 variables not initialised \(encoder/"):
        AlbertEncoder.from_pretrained(claimed)
    with pytest.raises(InputError, match="14384 variables not initialised"):
        AlbertClassifier.from_pretrained(claimed, labels=["a", "b"])
