"""Models that the TFAlbert classes of transformers 4.57 saved, with the outputs that they gave."""

import gzip
import json
import shutil
import sys
import types

import h5py
import numpy as np
import pytest
import tensorflow as tf

from albert_tf import sources
from albert_tf.convert.conversion import convert
from albert_tf.errors import InputError
from albert_tf.formats import hugging_face, load
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.pretrainer import AlbertPretrainer
from albert_tf.task_types import TaskDescription
from tests.support.commands import call
from tests.support.goldens import TESTDATA, TOLERANCE, difference, io

CLASSES = [path.name for path in sorted((TESTDATA / "hf_tensorflow").iterdir())]
TASKS = {
    "TFAlbertForMaskedLM": TaskDescription("fill_mask"),
    "TFAlbertForMultipleChoice": TaskDescription("multiple_choice"),
    "TFAlbertForQuestionAnswering": TaskDescription("question_answering"),
    "TFAlbertForSequenceClassification": TaskDescription(
        "classification", ("bad", "fair", "good", "great", "best")
    ),
    "TFAlbertForTokenClassification": TaskDescription(
        "tagging", ("O", "B-A", "I-A", "B-B", "I-B", "B-C", "I-C")
    ),
}
# Our names of inputs and outputs that transformers names otherwise.
OURS = {
    "input_ids": "input_word_ids",
    "attention_mask": "input_mask",
    "token_type_ids": "input_type_ids",
    "last_hidden_state": "sequence_output",
    "pooler_output": "pooled_output",
    "prediction_logits": "mlm_logits",
}


@pytest.fixture
def saved(tmp_path):
    """A function that returns a folder as a TFAlbert class saved it."""

    def unpack(name):
        folder = shutil.copytree(TESTDATA / "hf_tensorflow" / name, tmp_path / "saved")
        packed = folder / "tf_model.h5.gz"
        (folder / "tf_model.h5").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
        return folder

    return unpack


def assert_golden(folder, name):
    """Compares every output that the class returned."""
    task = load.load(folder).task
    assert task == TASKS.get(name)
    pretrained = AlbertEncoder if name == "TFAlbertModel" else AlbertPretrainer
    model = (task.type.model_class if task else pretrained).from_pretrained(folder)
    golden = io(f"hf_tensorflow/{name}")
    inputs = ("input_ids", "attention_mask", "token_type_ids")
    features = {OURS[key]: tf.constant(golden.pop(key)) for key in inputs}
    rows, length = features["input_mask"].shape[0], features["input_mask"].shape[-1]
    if name in ("TFAlbertForMaskedLM", "TFAlbertForPreTraining"):
        features["masked_lm_positions"] = tf.constant([range(length)] * rows, tf.int32)
    outputs = model(features)
    outputs = outputs if isinstance(outputs, dict) else {"logits": outputs}
    for key, expected in golden.items():
        assert difference(outputs[OURS.get(key, key)], expected) < TOLERANCE, key


@pytest.mark.parametrize("name", CLASSES)
def test_outputs_equal_those_of_transformers(name, saved):
    assert_golden(saved(name), name)


@pytest.mark.parametrize(
    "name", ["TFAlbertForPreTraining", "TFAlbertForMaskedLM", "TFAlbertForTokenClassification"]
)
def test_a_model_is_converted_to_the_folder_that_transformers_5_reads(name, saved, tmp_path):
    call("convert", saved(name), "--to", "hugging_face", tmp_path / "new")
    assert not (tmp_path / "new" / "tf_model.h5").exists()
    assert_golden(tmp_path / "new", name)


def test_copies_and_the_unused_bias_are_counted(saved):
    skipped = load.load(saved("TFAlbertForMaskedLM")).skipped
    assert skipped["copies"] == 5 and skipped["biases that TFAlbert does not use"] == 1


def test_the_class_is_read_from_the_weights_if_the_config_names_none_or_another(saved):
    folder = saved("TFAlbertForSequenceClassification")
    path = folder / "config.json"
    for architectures in (["AlbertForMaskedLM"], None):
        values = {**json.loads(path.read_text()), "architectures": architectures}
        path.write_text(json.dumps(values))
        assert_golden(folder, "TFAlbertForSequenceClassification")


def test_a_model_with_a_name_of_the_users_is_read(saved):
    folder = saved("TFAlbertForQuestionAnswering")
    with h5py.File(folder / "tf_model.h5", "r+") as file:
        for layer in ("albert", "qa_outputs"):
            file[layer].move("tf_albert_for_question_answering", "my_reader")
    assert_golden(folder, "TFAlbertForQuestionAnswering")


def test_safetensors_are_preferred_and_the_other_file_is_named(saved, tmp_path):
    folder = saved("TFAlbertForMultipleChoice")
    convert(folder, "hugging_face", tmp_path / "new")
    shutil.copy(folder / "tf_model.h5", tmp_path / "new")
    (tmp_path / "new" / "tf_model.h5").write_bytes(b"damaged")
    notes = load.load(tmp_path / "new").notes
    assert "weights are read from model.safetensors; tf_model.h5 is ignored" in notes


QUERY = "albert_layer_groups_._0/albert_layers_._0/attention/query/kernel:0"
ROOT = "albert/tf_albert_for_token_classification/albert"


def truncate(path):
    path.write_bytes(path.read_bytes()[:-2000])


def edit(change):
    def damage(path):
        with h5py.File(path, "r+") as file:
            change(file)

    return damage


def replace(file, name, shape):
    del file[name]
    file[name] = np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (truncate, "A weights file must be complete"),
        (lambda path: path.write_bytes(b""), "A weights file must be complete"),
        (
            edit(lambda file: file.__delitem__(f"{ROOT}/encoder/{QUERY}")),
            "group_0_inner_0/attention/query/kernel",
        ),
        (
            edit(lambda file: replace(file, f"{ROOT}/encoder/{QUERY}", [11, 12])),
            r"attention.query.weight: \(12, 11\), but the config requires \(12, 12\)",
        ),
        (
            edit(lambda file: replace(file, "classifier/m/classifier/bias:0", [6])),
            "Copies of classifier.bias must be equal",
        ),
        (edit(lambda file: file.__setitem__("extra/m/extra/kernel:0", [1.0])), "extra.weight"),
        (edit(lambda file: file.__setitem__("lonely", [1.0])), "lonely"),
    ],
)
def test_damaged_files_are_rejected(damage, text, saved):
    folder = saved("TFAlbertForTokenClassification")
    with h5py.File(folder / "tf_model.h5", "r+") as file:
        file["classifier/m/classifier/bias:0"] = np.ones([7], np.float32)
        del file["classifier/tf_albert_for_token_classification/classifier/bias:0"]
        bias = "classifier/tf_albert_for_token_classification/classifier/bias:0"
        file[bias] = np.ones([7], np.float32)
    damage(folder / "tf_model.h5")
    with pytest.raises(InputError, match=text):
        load.load(folder).task.type.model_class.from_pretrained(folder)


def test_a_file_with_any_damage_is_read_or_rejected(saved):
    path = saved("TFAlbertForMaskedLM") / "tf_model.h5"
    content, rng, rejected = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(150):
        damaged = np.frombuffer(content, np.uint8).copy()
        places = rng.integers(len(damaged), size=8)
        damaged[places] = rng.integers(256, size=8)
        path.write_bytes(damaged.tobytes())
        try:
            for array in hugging_face.read_arrays(path.parent).stored.values():
                array.read()
        except InputError as error:
            assert "\n" not in str(error)
            rejected += 1
    assert rejected > 50


def test_numbers_in_other_files_are_not_read(saved):
    path = saved("TFAlbertModel") / "tf_model.h5"
    secret = path.with_name("secret")
    secret.write_bytes(b"0123" * 12)
    name = "albert/m/albert/pooler/bias:0"
    layout = h5py.VirtualLayout((12,), np.float32)
    layout[:] = h5py.VirtualSource(str(path.with_name("other.h5")), "x", (12,))
    makers = (
        lambda file: file.create_dataset(name, [12], np.float32, external=[(secret, 0, 48)]),
        lambda file: file.create_virtual_dataset(name, layout),
        lambda file: file.create_dataset(name, data=["text"] * 12),
    )
    for make in makers:
        with h5py.File(path, "r+") as file:
            if name in file:
                del file[name]
            make(file)
        with pytest.raises(
            InputError, match="where 'albert/m/albert.*(stored outside of the file|not numbers)"
        ):
            load.load(path.parent)


@pytest.mark.parametrize(
    ("files", "downloads"),
    [(["tf_model.h5"], 2), (["model.safetensors", "tf_model.h5"], 1), (["pytorch_model.bin"], 1)],
)
def test_a_handle_downloads_tf_model_only_without_other_weights(
    files, downloads, tmp_path, monkeypatch
):
    calls = []

    def snapshot_download(name, allow_patterns):
        calls.append(allow_patterns)
        for file in files:
            if file in allow_patterns or any(p.endswith(file[-6:]) for p in allow_patterns):
                (tmp_path / file).touch()
        return str(tmp_path)

    module = types.SimpleNamespace(snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    sources.resolve("hf://a/b")
    assert len(calls) == downloads
    assert (tmp_path / "tf_model.h5").exists() == (downloads == 2)
