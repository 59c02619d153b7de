import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from official.nlp.modeling import layers, models, networks

from albert_tf.config import AlbertConfig
from albert_tf.convert.conversion import convert
from albert_tf.errors import InputError
from albert_tf.formats import load
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.pretrainer import AlbertPretrainer
from tests.support.goldens import TESTDATA, TOLERANCE, difference, io, run

TINY = TESTDATA / "modelgarden_tiny"
FROM_TF1 = TESTDATA / "modelgarden_from_tf1_tiny"
CONFIG = AlbertConfig.from_json_file(TESTDATA / "tf1_tiny" / "albert_config.json")


def their_encoder(config=CONFIG):
    return networks.AlbertEncoder(
        vocab_size=config.vocab_size,
        embedding_width=config.embedding_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        max_sequence_length=config.max_position_embeddings,
        type_vocab_size=config.type_vocab_size,
        intermediate_size=config.intermediate_size,
        dropout_rate=0.0,
        attention_dropout_rate=0.0,
        dict_outputs=True,
    )


def their_inputs(golden):
    names = ("input_ids", "input_mask", "segment_ids")
    return [tf.constant(golden[name]) for name in names]


# The checkpoint that the folder names was saved with `model=`, the other with `encoder=`.
@pytest.mark.parametrize("path", [TINY, TINY / "encoder.ckpt"])
def test_outputs_of_an_encoder(path):
    golden = io("modelgarden_tiny")
    outputs = run(AlbertEncoder.from_pretrained(path), golden)
    assert difference(outputs["sequence_output"], golden["sequence_output"]) < TOLERANCE
    assert difference(outputs["pooled_output"], golden["pooled_output"]) < TOLERANCE
    outputs = np.stack(outputs["encoder_outputs"])
    assert difference(outputs, golden["encoder_outputs"]) < TOLERANCE


def test_outputs_of_an_encoder_written_by_model_gardens_converter():
    golden = io("modelgarden_from_tf1_tiny")
    encoder = AlbertEncoder.from_pretrained(FROM_TF1 / "encoder.ckpt-1", config=CONFIG)
    outputs = run(encoder, golden)
    assert difference(outputs["sequence_output"], golden["sequence_output"]) < TOLERANCE
    assert difference(outputs["pooled_output"], golden["pooled_output"]) < TOLERANCE
    outputs = np.stack(outputs["encoder_outputs"])
    assert difference(outputs, golden["encoder_outputs"]) < TOLERANCE


def test_outputs_of_a_pretrainer_whose_table_is_stored_under_the_head():
    golden = io("modelgarden_from_tf1_tiny", "mlm_io.npz")
    path = FROM_TF1 / "pretrainer.ckpt-1"
    model = AlbertPretrainer.from_pretrained(path, config=CONFIG, allow_partial=True)
    outputs = run(model, golden)
    assert difference(outputs["mlm_logits"], golden["mlm_logits"]) < TOLERANCE


def test_a_checkpoint_without_a_valid_config_is_rejected(tmp_path):
    with pytest.raises(InputError, match="does not contain its number of layers"):
        load.load(FROM_TF1 / "encoder.ckpt-1")
    folder = shutil.copytree(TINY, tmp_path / "model")
    values = json.loads((folder / "encoder_config.json").read_text())
    (folder / "encoder_config.json").write_text(json.dumps({**values, "num_layer": 3}))
    with pytest.raises(InputError, match="'num_layer' .*Closest: num_layers"):
        load.load(folder)


def test_the_config_is_read_from_params_yaml(tmp_path):
    folder = shutil.copytree(TINY, tmp_path / "model")
    values = json.loads((folder / "encoder_config.json").read_text())
    (folder / "encoder_config.json").unlink()
    values["max_position_embeddings"] = values.pop("max_sequence_length")
    values["hidden_activation"] = "gelu"
    params = {"task": {"model": {"encoder": {"type": "albert", "albert": values}}}}
    (folder / "params.yaml").write_text(json.dumps(params))  # JSON is YAML.
    assert load.load(folder).config == load.load(TINY).config


def test_model_garden_restores_a_written_model_with_both_heads(tmp_path):
    convert(TESTDATA / "tf1_tiny", "model_garden", tmp_path / "model")
    head = layers.ClassificationHead(32, 2, name="next_sentence")
    model = models.BertPretrainerV2(
        their_encoder(),
        mlm_activation=lambda x: tf.nn.gelu(x, approximate=True),
        classification_heads=[head],
    )
    model({x.name: x for x in model.inputs})
    checkpoint = tf.train.Checkpoint(model=model, **model.checkpoint_items)
    latest = tf.train.latest_checkpoint(str(tmp_path / "model"))
    checkpoint.restore(latest).assert_consumed()
    golden = io("tf1_tiny")
    inputs = dict(zip(("input_word_ids", "input_mask", "input_type_ids"), their_inputs(golden)))
    outputs = model({**inputs, "masked_lm_positions": golden["mlm_positions"]})
    logits = tf.reshape(outputs["mlm_logits"], golden["mlm_logits"].shape)
    assert difference(logits, golden["mlm_logits"]) < TOLERANCE
    order = tf.nn.log_softmax(outputs["next_sentence"])
    assert difference(order, golden["sop_log_probs"]) < TOLERANCE


@pytest.mark.parametrize("name", ["tf1_nofactor", "modelgarden_tiny"])
def test_model_garden_restores_a_written_encoder(name, tmp_path):
    convert(TESTDATA / name, "model_garden", tmp_path / "model")
    golden = io(name)
    config = load.load(TESTDATA / name).config
    encoder = their_encoder(config)
    status = tf.train.Checkpoint(encoder=encoder).restore(
        tf.train.latest_checkpoint(str(tmp_path / "model"))
    )
    # As in Model Garden's fine-tuning: extra heads are allowed, but no variable may be missing.
    status.expect_partial().assert_existing_objects_matched()
    outputs = encoder(their_inputs(golden))
    assert difference(outputs["sequence_output"], golden["sequence_output"]) < TOLERANCE
    assert difference(outputs["pooled_output"], golden["pooled_output"]) < TOLERANCE


def test_both_heads_survive_a_conversion_exactly(tmp_path):
    convert(TESTDATA / "tf1_tiny", "model_garden", tmp_path / "model")
    source = load.load(tmp_path / "model")
    assert source.heads == ("masked_lm", "sentence_order")
    assert source.unread == ()
    before = load.load(TESTDATA / "tf1_tiny")
    for name in before.weights:
        np.testing.assert_array_equal(before.weights[name], source.weights[name])


def test_the_pooler_is_read_from_the_sentence_order_head(tmp_path):
    head = layers.ClassificationHead(32, 2, name="next_sentence")
    model = models.BertPretrainerV2(their_encoder(), classification_heads=[head])
    model({x.name: x for x in model.inputs})
    head.dense.bias.assign(tf.range(32.0))
    tf.train.Checkpoint(model=model, **model.checkpoint_items).save(str(tmp_path / "ckpt"))
    source = load.load(tmp_path, config=CONFIG)
    np.testing.assert_array_equal(source.weights["encoder/pooler/bias"], np.arange(32.0))
    assert any("the pooler is next_sentence's inner dense layer" in note for note in source.notes)
    assert source.unread == ()


def test_several_groups_are_rejected(tmp_path):
    with pytest.raises(InputError, match="one group with one block. Received num_hidden_groups=3"):
        convert(TESTDATA / "tf1_groups", "model_garden", tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_weight_is_unread(tmp_path):
    encoder = their_encoder()
    extra = tf.Variable([1.0], name="extra")
    tf.train.Checkpoint(encoder=encoder, classifier=extra).save(str(tmp_path / "ckpt"))
    with pytest.raises(InputError, match=r"1 weight unused \(classifier/"):
        AlbertEncoder.from_pretrained(tmp_path, config=CONFIG)
