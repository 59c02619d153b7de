import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.convert.conversion import convert
from albert_tf.errors import InputError
from albert_tf.formats import load
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.pretrainer import AlbertPretrainer
from albert_tf.tokenization.settings import Preprocessing
from tests.support.goldens import TESTDATA, TOLERANCE, difference, io, run

CASES = [("io.npz", "")] + [("io_edge.npz", p) for p in ("maxlen__", "len1__", "allmasked__")]


@pytest.fixture(scope="module", params=["tf1_tiny", "tf1_groups", "tf1_nofactor"])
def pretrained(request):
    return request.param, AlbertPretrainer.from_pretrained(TESTDATA / request.param)


@pytest.mark.parametrize(("file", "prefix"), CASES)
def test_outputs_equal_those_of_the_original(pretrained, file, prefix):
    name, model = pretrained
    golden = io(name, file, prefix)
    outputs = run(model, golden)
    logits = tf.reshape(outputs["mlm_logits"], golden["mlm_logits"].shape)
    layers = np.stack(outputs["encoder_outputs"])
    assert difference(outputs["sequence_output"], golden["sequence_output"]) < TOLERANCE
    assert difference(outputs["pooled_output"], golden["pooled_output"]) < TOLERANCE
    assert difference(logits, golden["mlm_logits"]) < TOLERANCE
    log_probs = tf.nn.log_softmax(outputs["sop_logits"])
    assert difference(log_probs, golden["sop_log_probs"]) < TOLERANCE
    # In a row without any attended position, 1e4 is added to all scores, so they are exact to 1e-3
    # at best. The original rounds its products differently, so inner layers may differ more.
    tolerance = 5e-5 if prefix == "allmasked__" else TOLERANCE
    assert difference(layers, golden["all_encoder_layers"]) < tolerance


def test_an_encoder_alone_gives_the_same_outputs():
    golden = io("tf1_tiny")
    encoder = AlbertEncoder.from_pretrained(str(TESTDATA / "tf1_tiny" / "model.ckpt-best"))
    del golden["mlm_positions"]
    outputs = run(encoder, golden)
    assert difference(outputs["pooled_output"], golden["pooled_output"]) < TOLERANCE


@pytest.mark.parametrize("name", ["tf1_tiny", "tf1_groups", "tf1_nofactor"])
def test_writing_a_golden_model_reproduces_it(name, tmp_path):
    convert(TESTDATA / name, "tf1", tmp_path / "again")
    before = tf.train.load_checkpoint(str(TESTDATA / name / "model.ckpt-best"))
    after = tf.train.load_checkpoint(str(tmp_path / "again" / "model.ckpt-best"))
    shapes = after.get_variable_to_shape_map()
    assert shapes == before.get_variable_to_shape_map()
    listed = (TESTDATA / name / "variables.txt").read_text().split("\n")
    assert len(shapes) == len([line for line in listed if line.strip()])
    for key in shapes:
        np.testing.assert_array_equal(after.get_tensor(key), before.get_tensor(key))
        assert after.get_tensor(key).dtype == before.get_tensor(key).dtype


def test_a_graph_of_the_original_restores_a_written_model(tmp_path):
    convert(TESTDATA / "hf_from_tf1_tiny", "tf1", tmp_path / "model")
    golden = tf.train.load_checkpoint(str(TESTDATA / "tf1_tiny" / "model.ckpt-best"))
    shapes = golden.get_variable_to_shape_map()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, shape in shapes.items():
            dtype = golden.get_variable_to_dtype_map()[name]
            tf.compat.v1.get_variable(name, shape, dtype, trainable=False)
        saver = tf.compat.v1.train.Saver()
        saver.restore(session, tf.train.latest_checkpoint(str(tmp_path / "model")))
        for variable in tf.compat.v1.global_variables():
            if variable.op.name != "global_step":
                restored = session.run(variable)
                np.testing.assert_array_equal(restored, golden.get_tensor(variable.op.name))


def test_optimizer_slots_of_a_training_checkpoint_are_skipped(tmp_path):
    golden = TESTDATA / "tf1_tiny"
    shutil.copy(golden / "albert_config.json", tmp_path)
    reader = tf.train.load_checkpoint(str(golden / "model.ckpt-best"))
    arrays = {key: reader.get_tensor(key) for key in reader.get_variable_to_shape_map()}
    weights = [key for key in arrays if key != "global_step"]
    for key in weights:
        for slot in ("adam_m", "adam_v"):
            arrays[f"{key}/{slot}"] = np.zeros_like(arrays[key])
    keys = sorted(arrays)
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "model.ckpt-20"),
        tensor_names=keys,
        shape_and_slices=[""] * len(keys),
        tensors=[tf.constant(arrays[key]) for key in keys],
    )
    source = load.load(tmp_path)
    assert source.skipped == {"optimizer slots": 64, "step counters": 1}
    assert (source.step, source.unread, len(source.weights)) == (12345, (), 32)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (dict(hidden_siz=32), "'hidden_siz'.*Closest: hidden_size"),
        (dict(hidden_size=30), "hidden_size must be a multiple of num_attention_heads"),
        (
            dict(vocab_size=300),
            r"word_embeddings: \(200, 16\), but the config requires \(300, 16\)",
        ),
        (dict(num_hidden_layers=22, num_hidden_groups=22), "tf1 must assign layers to the same"),
    ],
)
def test_invalid_configs_are_rejected(change, text, tmp_path):
    folder = shutil.copytree(TESTDATA / "tf1_tiny", tmp_path / "model")
    values = json.loads((folder / "albert_config.json").read_text())
    (folder / "albert_config.json").write_text(json.dumps({**values, **change}))
    with pytest.raises(InputError, match=text):
        load.load(folder)


def test_damaged_folders_are_rejected(tmp_path):
    folder = shutil.copytree(TESTDATA / "tf1_tiny", tmp_path / "model")
    data = folder / "model.ckpt-best.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-20000])
    with pytest.raises(InputError, match="A checkpoint must be complete"):
        AlbertPretrainer.from_pretrained(folder)
    data.unlink()
    with pytest.raises(InputError, match="A checkpoint must be complete"):
        AlbertPretrainer.from_pretrained(folder)
    shutil.copy(TESTDATA / "tf1_tiny" / data.name, data)
    (folder / "albert_config.json").unlink()
    with pytest.raises(InputError, match="A model config must be an existing file"):
        load.load(folder)


def test_the_vocabulary_and_its_settings_survive_conversions(tmp_path):
    folder = shutil.copytree(TESTDATA / "tf1_tiny", tmp_path / "model")
    shutil.copy(TESTDATA / "tokenization" / "spm.model", folder / "30k-clean.model")
    Preprocessing(lower_case=False, keep_accents=True).to_json_file(
        folder / "30k-clean.preprocess.json"
    )
    for n, step in enumerate(("hugging_face", "keras_hub", "model_garden", "checkpoint", "tf1")):
        convert(folder, step, tmp_path / str(n), allow_partial=True)
        source = load.load(tmp_path / str(n))
        assert source.preprocessing == Preprocessing(lower_case=False, keep_accents=True), step
        original = (TESTDATA / "tokenization" / "spm.model").read_bytes()
        assert source.model_file.read_bytes() == original
        folder = tmp_path / str(n)


def test_the_exact_gelu_is_rejected(tmp_path):
    with pytest.raises(InputError, match="of the original code. Received 'gelu_erf'"):
        convert(TESTDATA / "hf_tiny_gelu_erf", "tf1", tmp_path / "model")
