import json
import os
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from albert_tf.convert.conversion import convert
from albert_tf.errors import InputError
from albert_tf.formats import load
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.pretrainer import AlbertPretrainer
from tests.support.goldens import TESTDATA, TOLERANCE, difference, io, run

GOLDENS = ["hf_tiny", "hf_tiny_groups", "hf_tiny_gelu_erf", "hf_from_tf1_tiny"]
GOLDENS += ["hf_from_tf1_groups"]


@pytest.fixture
def folder(tmp_path):
    """A copy of hf_tiny to change."""
    return shutil.copytree(TESTDATA / "hf_tiny", tmp_path / "model")


def change_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize("name", GOLDENS)
def test_outputs_equal_those_of_transformers(name):
    golden = io(name)
    length = golden["input_ids"].shape[1]
    golden["mlm_positions"] = np.tile(np.arange(length, dtype=np.int32), (5, 1))
    outputs = run(AlbertPretrainer.from_pretrained(TESTDATA / name), golden)
    assert difference(outputs["sequence_output"], golden["last_hidden_state"]) < TOLERANCE
    assert difference(outputs["pooled_output"], golden["pooler_output"]) < TOLERANCE
    assert difference(outputs["mlm_logits"], golden["prediction_logits"]) < TOLERANCE
    assert difference(outputs["sop_logits"], golden["sop_logits"]) < TOLERANCE
    layers = np.stack(outputs["encoder_outputs"])
    assert difference(layers, golden["hidden_states"][1:]) < TOLERANCE


def test_attention_scores_equal_those_of_transformers():
    golden = io("hf_tiny")
    encoder = AlbertEncoder.from_pretrained(TESTDATA / "hf_tiny", return_attention_scores=True)
    scores = np.stack(run(encoder, golden)["attention_scores"])
    assert difference(scores, golden["attentions"]) < TOLERANCE


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("gelu_new", "gelu"), ("gelu_pytorch_tanh", "gelu"), ("gelu", "gelu_erf"), ("relu", "relu")],
)
def test_the_two_forms_of_gelu_are_distinguished(folder, theirs, ours):
    change_config(folder, hidden_act=theirs)
    source = load.load(folder)
    assert source.config.hidden_act == ours
    assert f"hidden_act {theirs!r} of Hugging Face is {ours!r} in albert_tf" in source.notes[0]


def test_keys_that_change_no_numbers_are_ignored(folder):
    before = load.load(folder)
    change_config(
        folder,
        **dict(
            ln_type="postln", use_bfloat16=False, max_length=20, num_beams=1, bad_words_ids=None
        ),
        **dict(is_encoder_decoder=False, sep_token_id=None, xla_device=True, _num_labels=2),
        **dict(tf_legacy_loss=False, typical_p=1.0, directionality="bidi", pooler_type="first"),
        **dict(pruned_heads=None, net_structure_type=0, _attn_implementation_autoset=True),
    )
    after = load.load(folder)
    assert (after.config, after.task, after.epsilon) == (before.config, before.task, before.epsilon)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            dict(rotary_base=1),
            "Received 'rotary_base' in .*config.json'. Remove it from the file if",
        ),
        (dict(ln_type="preln"), "ln_type must be 'postln'. Received 'preln'"),
        (dict(add_cross_attention=True), "add_cross_attention must be False. Received True"),
        (dict(layer_norm_eps="x"), r"layer_norm_eps must be a number in \[0, 1\). Received 'x'"),
        (dict(architectures=5), "architectures must be a list of names. Received 5"),
        (dict(num_labels=-1, architectures=["AlbertForSequenceClassification"]), "num_labels must"),
        (dict(hidden_size="32"), "hidden_size must be an integer of at least 1. Received '32'"),
        (dict(hidden_act=[1]), r"hidden_act must be a supported activation. Received \[1\]"),
    ],
)
def test_a_value_that_changes_numbers_is_an_error(folder, values, message):
    change_config(folder, **values)
    with pytest.raises(InputError, match=message):
        load.load(folder)


def test_missing_keys_get_the_defaults_of_transformers(folder):
    values = json.loads((folder / "config.json").read_text())
    del values["hidden_act"], values["layer_norm_eps"], values["type_vocab_size"]
    (folder / "config.json").write_text(json.dumps(values))
    source = load.load(folder)
    assert (source.config.hidden_act, source.config.type_vocab_size) == ("gelu", 2)
    assert source.epsilon == {"encoder": 1e-12, "masked_lm": 1e-12}
    assert source.classifier_dropout == 0.1


def test_epsilon_and_classifier_dropout_survive_a_conversion(folder, tmp_path):
    change_config(folder, layer_norm_eps=1e-5, classifier_dropout_prob=0.25)
    model = AlbertPretrainer.from_pretrained(folder)
    assert model.encoder.embeddings_layer.norm.epsilon == 1e-5
    assert model.encoder.stack.groups[0][0].output_norm.epsilon == 1e-5
    assert model.masked_lm.norm.epsilon == 1e-5
    golden = io("hf_tiny")
    outputs = run(model, golden)
    assert difference(outputs["sequence_output"], golden["last_hidden_state"]) > 1e-4
    convert(folder, "hugging_face", tmp_path / "again")
    again = json.loads((tmp_path / "again" / "config.json").read_text())
    assert (again["layer_norm_eps"], again["classifier_dropout_prob"]) == (1e-5, 0.25)
    with pytest.raises(InputError, match=r"have epsilon 1e-12 in tf1\. Received 1e-05"):
        convert(folder, "tf1", tmp_path / "tf1")
    assert not (tmp_path / "tf1").exists()


def test_weights_of_albert_model_are_read_without_a_prefix(folder):
    arrays = load_file(folder / "model.safetensors")
    bare = {k.removeprefix("albert."): v for k, v in arrays.items() if k.startswith("albert.")}
    save_file(bare, folder / "model.safetensors", metadata={"format": "pt"})
    golden = io("hf_tiny")
    outputs = run(AlbertEncoder.from_pretrained(folder), golden)
    assert difference(outputs["sequence_output"], golden["last_hidden_state"]) < TOLERANCE


def test_copies_of_tied_weights_are_skipped_only_if_equal(folder):
    arrays = load_file(folder / "model.safetensors")
    arrays["predictions.decoder.weight"] = arrays["albert.embeddings.word_embeddings.weight"].copy()
    arrays["predictions.decoder.bias"] = arrays["predictions.bias"].copy()
    save_file(arrays, folder / "model.safetensors")
    assert load.load(folder).skipped["tied copies"] == 2
    arrays["predictions.decoder.bias"][3] += 1
    save_file(arrays, folder / "model.safetensors")
    with pytest.raises(InputError, match="predictions.decoder.bias must equal predictions.bias"):
        load.load(folder)


def test_half_precision_is_read_as_float32(folder):
    arrays = load_file(folder / "model.safetensors")
    save_file({k: v.astype(np.float16) for k, v in arrays.items()}, folder / "model.safetensors")
    bias = load.load(folder).weights["encoder/pooler/bias"]
    assert bias.dtype == np.float32
    np.testing.assert_array_equal(bias, arrays["albert.pooler.bias"].astype(np.float16))


def test_weights_in_several_files_are_read(folder):
    arrays = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    parts = {"a.safetensors": {}, "b.safetensors": {}}
    for n, (name, array) in enumerate(arrays.items()):
        parts["ab"[n % 2] + ".safetensors"][name] = array
    for name, part in parts.items():
        save_file(part, folder / name)
    index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert len(load.load(folder).weights) == 32
    (folder / "b.safetensors").unlink()
    with pytest.raises(InputError, match=r"in the same folder.*Received 'b\.safetensors'"):
        load.load(folder)


def test_a_truncated_file_is_rejected(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="A safetensors file must be complete"):
        load.load(folder)


def test_a_pickle_needs_torch(folder):
    try:
        import torch  # noqa: F401
    except ImportError:
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        with pytest.raises(InputError, match=r"pip install albert-tf\[torch\]"):
            load.load(folder)
    else:
        pytest.skip("torch is installed")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (dict(hiden_size=32), r"'hiden_size' .*Closest: hidden_size"),
        (dict(model_type="bert"), "model_type must be 'albert'. Received 'bert'"),
        (dict(hidden_act="swish"), "hidden_act must be a supported activation. Received 'swish'"),
        (dict(tie_word_embeddings=False), "tie_word_embeddings must be True"),
        (dict(intermediate_size=48), r"ffn.weight: \(64, 32\), but the config requires \(48, 32\)"),
        (dict(num_attention_heads=5), "must be a multiple of num_attention_heads"),
        (dict(num_hidden_layers=18, num_hidden_groups=14), "hugging_face must assign layers to"),
    ],
)
def test_invalid_configs_are_rejected(folder, change, text):
    change_config(folder, **change)
    with pytest.raises(InputError, match=text):
        load.load(folder)


def test_preprocessing_comes_from_the_tokenizer_config(folder):
    assert load.load(folder).preprocessing is None
    shutil.copy(TESTDATA / "tokenization" / "spm.model", folder / "spiece.model")
    settings = load.load(folder).preprocessing.to_dict()
    assert settings == dict(lower_case=True, keep_accents=False, rules="hugging_face")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false, "keep_accents": true}')
    settings = load.load(folder).preprocessing.to_dict()
    assert settings == dict(lower_case=False, keep_accents=True, rules="hugging_face")


@pytest.mark.parametrize("name", GOLDENS[:3])
def test_writing_a_golden_model_reproduces_it(name, tmp_path):
    convert(TESTDATA / name, "hugging_face", tmp_path / "again")
    before = load_file(TESTDATA / name / "model.safetensors")
    after = load_file(tmp_path / "again" / "model.safetensors")
    assert before.keys() == after.keys()
    for key in before:
        np.testing.assert_array_equal(before[key], after[key])
    old = json.loads((TESTDATA / name / "config.json").read_text())
    new = json.loads((tmp_path / "again" / "config.json").read_text())
    del old["transformers_version"]
    assert old == new


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "{",
            "[]",
            "{}",
            '{"weight_map": [1]}',
            '{"weight_map": {"a',
            '{"weight_map": {"a": 1}}',
        ),
        *('{"weight_map": {"a": "../x"}}', '{"weight_map": {"a": "/etc/passwd"}}'),
        *('{"weight_map": {"a": "pipe"}}', '{"weight_map": {"a": "absent"}}'),
    ],
)
def test_a_damaged_index_of_weight_files_is_an_error(text, tmp_path):
    folder = shutil.copytree(TESTDATA / "hf_tiny", tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(text)
    os.mkfifo(folder / "pipe")
    match = "(An index of weight files must be (a )?JSON|weight_map must give the name of a file).*"
    with pytest.raises(InputError, match=match):
        load.load(folder)
