import json
import shutil

import h5py
import numpy as np
import pytest

from albert_tf.convert.conversion import convert
from albert_tf.errors import InputError
from albert_tf.formats import keras_hub, load
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.pretrainer import AlbertPretrainer
from tests.support.goldens import TESTDATA, TOLERANCE, difference, io, run


def datasets(path):
    arrays = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return arrays


@pytest.fixture
def folder(tmp_path):
    """A copy of kerashub_tiny to change."""
    return shutil.copytree(TESTDATA / "kerashub_tiny", tmp_path / "preset")


def change_config(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    config["config"].update(values)
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("name", ["kerashub_tiny", "kerashub_tiny_groups"])
def test_outputs_equal_those_of_keras_hub(name):
    golden = io(name)
    outputs = run(AlbertEncoder.from_pretrained(TESTDATA / name), golden)
    assert difference(outputs["sequence_output"], golden["sequence_output"]) < TOLERANCE
    assert difference(outputs["pooled_output"], golden["pooled_output"]) < TOLERANCE


def test_the_masked_lm_head_has_its_own_epsilon():
    golden = io("kerashub_tiny_mlm")
    path = TESTDATA / "kerashub_tiny_mlm"
    assert load.load(path).heads == ("masked_lm",)
    with pytest.raises(InputError, match=r"2 variables not initialised \(sentence_order"):
        AlbertPretrainer.from_pretrained(path)
    model = AlbertPretrainer.from_pretrained(path, allow_partial=True)
    assert model.masked_lm.norm.epsilon == 1e-5
    assert model.encoder.embeddings_layer.norm.epsilon == 1e-12
    outputs = run(model, golden)
    assert difference(outputs["mlm_logits"], golden["mlm_logits"]) < TOLERANCE


@pytest.mark.parametrize("name", ["kerashub_tiny", "kerashub_tiny_groups", "kerashub_tiny_mlm"])
def test_writing_a_golden_model_reproduces_it(name, tmp_path):
    report = convert(TESTDATA / name, "keras_hub", tmp_path / "again")
    assert report["largest_weight_difference"] == 0.0
    for file in ("model.weights.h5", "task.weights.h5"):
        if not (TESTDATA / name / file).exists():
            assert not (tmp_path / "again" / file).exists()
            continue
        before = {
            key: value
            for key, value in datasets(TESTDATA / name / file).items()
            if not key.startswith("optimizer/")
        }
        after = datasets(tmp_path / "again" / file)
        assert before.keys() == after.keys()
        for key in before:
            np.testing.assert_array_equal(before[key], after[key])
    old = json.loads((TESTDATA / name / "config.json").read_text())
    new = json.loads((tmp_path / "again" / "config.json").read_text())
    old["config"]["name"] = "albert_backbone"
    assert old == new


def test_a_model_without_projection_gets_an_identity_projection(tmp_path):
    convert(TESTDATA / "tf1_nofactor", "keras_hub", tmp_path / "preset", allow_partial=True)
    arrays = datasets(tmp_path / "preset" / "model.weights.h5")
    np.testing.assert_array_equal(arrays["layers/dense/vars/0"], np.eye(32, dtype=np.float32))
    source = load.load(tmp_path / "preset")
    assert not any("projection" in name for name in source.weights)
    assert source.unread == ()
    with h5py.File(tmp_path / "preset" / "model.weights.h5", "r+") as file:
        file["layers/dense/vars/1"][3] = 0.5
    with pytest.raises(InputError, match="a stored projection must be the identity"):
        load.load(tmp_path / "preset")


def test_the_sentence_order_head_is_left_out_only_with_allow_partial(tmp_path):
    with pytest.raises(InputError, match="not supported by keras_hub: sentence_order/classifier"):
        convert(TESTDATA / "tf1_tiny", "keras_hub", tmp_path / "preset")
    report = convert(TESTDATA / "tf1_tiny", "keras_hub", tmp_path / "preset", allow_partial=True)
    assert report["left_behind"] == [
        "sentence_order/classifier/kernel",
        "sentence_order/classifier/bias",
    ]
    assert any("has epsilon 1e-12 in the source and 1e-05" in note for note in report["notes"])
    assert max(report["largest_output_difference"].values()) < TOLERANCE


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (dict(hidden_dims=32), r"'hidden_dims' .*Closest: hidden_dim"),
        (dict(intermediate_dim=48), r"\(32, 64\), but the config requires \(32, 48\)"),
        (dict(num_layers=3, num_groups=2), "keras_hub must assign layers to the same groups"),
    ],
)
def test_invalid_configs_are_rejected(folder, change, text):
    change_config(folder, **change)
    with pytest.raises(InputError, match=text):
        load.load(folder)


@pytest.mark.parametrize("text", ["[1]", '{"class_name": [1]}', "{", "[" * 9999, '{"config": 1}'])
def test_a_config_of_another_kind_is_no_preset(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    assert not keras_hub.is_preset(tmp_path)
    (tmp_path / "config.json").write_text('{"class_name": "keras_nlp>AlbertBackbone", "config": 1}')
    assert keras_hub.is_preset(tmp_path)
    with pytest.raises(InputError, match="must be an object. Received 1 in"):
        keras_hub.read_config(tmp_path)


def test_damaged_presets_are_rejected(folder):
    path = folder / "model.weights.h5"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="A weights file must be complete"):
        load.load(folder)
    path.unlink()
    with pytest.raises(InputError, match="must contain model.weights.h5"):
        load.load(folder)


def test_only_the_tanh_gelu_can_be_written(tmp_path):
    with pytest.raises(InputError, match="hidden_act must be 'gelu'.* Received 'gelu_erf'"):
        convert(TESTDATA / "hf_tiny_gelu_erf", "keras_hub", tmp_path / "p", allow_partial=True)
    assert list(tmp_path.iterdir()) == []
