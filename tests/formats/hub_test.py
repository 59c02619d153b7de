import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from official.nlp.configs import encoders
from official.nlp.tools import export_tfhub_lib

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.export import hub_encoder
from albert_tf.formats import load
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.pretrainer import AlbertPretrainer
from tests.support.goldens import TESTDATA, TOLERANCE, difference, io, run

GOLDEN = TESTDATA / "modelgarden_from_tf1_tiny"
VOCABULARY = TESTDATA / "tokenization" / "spm.model"


@pytest.fixture(scope="module", params=["encoder", "pretrainer"])
def theirs(request, tmp_path_factory):
    """A SavedModel written by Model Garden's exporter, without and with the masked-LM head."""
    config = encoders.AlbertEncoderConfig(
        vocab_size=200,
        embedding_width=16,
        hidden_size=32,
        num_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        dropout_rate=0.25,
        max_position_embeddings=40,
        initializer_range=0.03,
    )
    path = tmp_path_factory.mktemp("hub") / request.param
    export_tfhub_lib.export_model(
        str(path),
        encoder_config=encoders.EncoderConfig(type="albert", albert=config),
        model_checkpoint_path=str(GOLDEN / f"{request.param}.ckpt-1"),
        with_mlm=request.param == "pretrainer",
        sp_model_file=str(VOCABULARY),
    )
    return path


def test_outputs_of_a_model_garden_export(theirs):
    source = load.load(theirs)
    assert (source.format, source.unread) == ("hub", ())
    assert source.heads == (("masked_lm",) if theirs.name == "pretrainer" else ())
    assert source.model_file.read_bytes() == VOCABULARY.read_bytes()
    expected = load.load(TESTDATA / "tf1_tiny").config
    expected = dataclasses.replace(expected, hidden_dropout_prob=0.25, initializer_range=0.03)
    assert source.config == expected
    golden = io(GOLDEN.name)
    outputs = run(AlbertEncoder.from_pretrained(theirs), golden)
    assert difference(outputs["sequence_output"], golden["sequence_output"]) < TOLERANCE
    assert difference(outputs["pooled_output"], golden["pooled_output"]) < TOLERANCE
    if theirs.name == "pretrainer":
        golden = io(GOLDEN.name, "mlm_io.npz")
        outputs = run(AlbertPretrainer.from_pretrained(theirs, allow_partial=True), golden)
        assert difference(outputs["mlm_logits"], golden["mlm_logits"]) < TOLERANCE


def test_an_export_without_keras_metadata_needs_a_config(theirs, tmp_path):
    folder = shutil.copytree(theirs, tmp_path / "module")
    (folder / "keras_metadata.pb").unlink()
    with pytest.raises(InputError, match="must contain the arguments of its encoder"):
        load.load(folder)
    config = load.load(TESTDATA / "tf1_tiny").config
    assert load.load(folder, config).config == config


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """A SavedModel with the variables of the pretrainer by name, as this package exports them."""
    path = tmp_path_factory.mktemp("hub") / "ours"
    model = AlbertPretrainer.from_pretrained(TESTDATA / "tf1_groups")
    module = tf.__internal__.tracking.AutoTrackable()
    module.variables = list(model.variables)
    module.do_lower_case = tf.Variable(True, trainable=False, name="do_lower_case")
    module.sp_model_file = tf.saved_model.Asset(str(VOCABULARY))
    module.call = tf.function(lambda: model.variables[0].value()[0], input_signature=[])
    tf.saved_model.save(module, str(path))
    manifest = {"config": model.albert_config.to_dict()}
    manifest["preprocessing"] = dict(lower_case=False, keep_accents=True, rules="original")
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


def test_our_own_layout_is_read_exactly(ours):
    source, before = load.load(ours), load.load(TESTDATA / "tf1_groups")
    assert (source.format, source.config, source.unread) == ("hub", before.config, ())
    assert source.skipped["settings"] == 1
    assert (source.preprocessing.lower_case, source.preprocessing.keep_accents) == (False, True)
    assert set(source.weights) == set(before.weights)
    for name in before.weights:
        np.testing.assert_array_equal(source.weights[name], before.weights[name])


def test_an_export_of_our_exporter_is_read_exactly(tmp_path):
    model = AlbertPretrainer(AlbertConfig(1000, 16, 32, 3, 1, 2, 4, 64, max_position_embeddings=40))
    (tmp_path / "run").mkdir()
    model.albert_config.to_json_file(tmp_path / "run" / "albert_config.json")
    shutil.copy(VOCABULARY, tmp_path / "run")
    tf.train.Checkpoint(model=model).save(str(tmp_path / "run" / "ckpt"))
    hub_encoder.export(tmp_path / "run", tmp_path / "hub", check=False)
    source = load.load(tmp_path / "hub")
    assert (source.format, source.config, source.unread) == ("hub", model.albert_config, ())
    assert source.heads == ("masked_lm", "sentence_order")
    assert source.model_file.read_bytes() == VOCABULARY.read_bytes()
    again = AlbertPretrainer.from_pretrained(tmp_path / "hub")
    for before, after in zip(model.variables, again.variables, strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_config_file_in_assets_takes_precedence(ours, tmp_path):
    folder = shutil.copytree(ours, tmp_path / "module")
    config = dataclasses.replace(load.load(ours).config, hidden_dropout_prob=0.5)
    config.to_json_file(folder / "assets" / "albert_config.json")
    assert load.load(folder).config == config
    (folder / "assets" / "albert_config.json").unlink()
    (folder / "manifest.json").unlink()
    with pytest.raises(InputError, match="must contain its config in assets/albert_config.json"):
        load.load(folder)


def test_a_tf1_module_without_its_pb_file_is_rejected(tmp_path):
    folder = shutil.copytree(TESTDATA / "tfhub1_tiny", tmp_path / "module")
    (folder / "tfhub_module.pb").unlink()
    with pytest.raises(InputError, match="its tfhub_module.pb is missing"):
        load.load(folder)
