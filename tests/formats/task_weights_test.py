"""Fine-tuned models of transformers and of the original are read, run and written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

import albert_tf
from albert_tf.convert.conversion import convert
from albert_tf.errors import InputError
from albert_tf.formats import load
from albert_tf.task_types import TaskDescription
from tests.support.goldens import TESTDATA, TOLERANCE, difference

HF = TESTDATA / "hf_tasks"
TASKS = {path.name: path for path in sorted(HF.iterdir()) if path.is_dir()}


def model_of(folder):
    source = load.load(folder)
    return source.task.type.model_class.from_pretrained(folder)


def outputs(model, task):
    """Returns the outputs for the inputs of the golden files, by the names of transformers."""
    golden = np.load(TASKS[task] / "io.npz")
    features = {
        "input_word_ids": golden["input_ids"].astype(np.int32),
        "input_mask": golden["attention_mask"].astype(np.int32),
        "input_type_ids": golden["token_type_ids"].astype(np.int32),
    }
    if task == "masked_lm":
        rows, length = golden["input_ids"].shape
        features["masked_lm_positions"] = np.tile(np.arange(length, dtype=np.int32), (rows, 1))
    result = tf.function(model)({n: tf.constant(v) for n, v in features.items()})
    return result if isinstance(result, dict) else {"logits": result}


def assert_golden(model, task):
    golden = np.load(TASKS[task] / "io.npz")
    for name, value in outputs(model, task).items():
        assert difference(value, golden[name]) < TOLERANCE, name


@pytest.mark.parametrize("task", TASKS)
def test_logits_equal_those_of_transformers(task):
    assert_golden(model_of(TASKS[task]), task)


def test_labels_and_dropout_are_read_from_the_config():
    source = load.load(TASKS["classification"])
    assert source.task == TaskDescription("classification", ("no", "maybe", "yes"))
    model = albert_tf.AlbertClassifier.from_pretrained(TASKS["classification"])
    assert (model.labels, model.dropout_rate) == (("no", "maybe", "yes"), 0.2)
    assert load.load(TASKS["regression"]).task == TaskDescription("regression")
    assert load.load(TASKS["tagging"]).task.labels == ("O", "B-X", "I-X", "B-Y")


@pytest.mark.parametrize("task", TASKS)
def test_a_task_model_survives_a_round_trip(task, tmp_path):
    convert(TASKS[task], "checkpoint", tmp_path / "ours")
    assert_golden(model_of(tmp_path / "ours"), task)
    convert(tmp_path / "ours", "hugging_face", tmp_path / "theirs")
    before = load_file(TASKS[task] / "model.safetensors")
    after = load_file(tmp_path / "theirs" / "model.safetensors")
    assert before.keys() == after.keys()
    for key in before:
        np.testing.assert_array_equal(before[key], after[key])
    old, new = (
        json.loads((folder / "config.json").read_text())
        for folder in (TASKS[task], tmp_path / "theirs")
    )
    assert old["architectures"] == new["architectures"]
    assert old.get("id2label") == new.get("id2label")


def test_settings_of_a_task_survive_a_conversion(tmp_path):
    convert(TASKS["classification"], "checkpoint", tmp_path / "ours")
    labels, settings = ("no", "maybe", "yes"), {"text": "review", "seq_length": 12}
    description = TaskDescription("classification", labels, settings)
    description.to_json_file(tmp_path / "ours/task.json")
    for to in ("hugging_face", "tf1"):
        convert(tmp_path / "ours", to, tmp_path / to)
        assert load.load(tmp_path / to).task == description
    # If a user changes the labels in config.json, these labels are used.
    path = tmp_path / "hugging_face/config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "id2label": {"0": "a", "1": "b", "2": "c"}}))
    assert load.load(tmp_path / "hugging_face").task == TaskDescription(
        "classification", ("a", "b", "c")
    )


@pytest.mark.parametrize("task", [task for task in TASKS if task != "masked_lm"])
def test_tf1_checkpoints_have_the_names_of_the_original(task, tmp_path):
    # All fine-tuned models of the original have a pooler. A model without one cannot be restored by
    # the original code, but this package reads it.
    convert(TASKS[task], "tf1", tmp_path / "tf1")
    names = dict(tf.train.list_variables(str(tmp_path / "tf1")))
    count = {"classification": 3, "tagging": 4, "question_answering": 2}.get(task, 1)
    prefix = "cls/squad/" if task == "question_answering" else ""
    assert names[f"{prefix}output_weights"] == [count, 12]
    assert names[f"{prefix}output_bias"] == [count]
    assert_golden(model_of(tmp_path / "tf1"), task)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("classification", TaskDescription("classification", ("0", "1", "2"))),
        ("regression", TaskDescription("regression")),
        ("question_answering", TaskDescription("question_answering")),
    ],
)
def test_without_task_json_the_task_is_inferred_from_the_variables(task, expected, tmp_path):
    convert(TASKS[task], "tf1", tmp_path / "tf1")
    (tmp_path / "tf1" / "task.json").unlink()
    assert load.load(tmp_path / "tf1").task == expected


def test_the_joint_head_has_the_names_of_the_original(tmp_path):
    config = load.load(TASKS["question_answering"]).config
    tf.random.set_seed(3)
    model = albert_tf.AlbertJointSpanLabeler(config)
    for variable in model.variables:
        variable.assign(tf.random.normal(variable.shape, stddev=0.3))
    folder = tmp_path / "ours"
    folder.mkdir()
    tf.train.Checkpoint(model=model, **model.checkpoint_items).save(str(folder / "ckpt"))
    config.to_json_file(folder / "albert_config.json")
    TaskDescription("joint_question_answering").to_json_file(folder / "task.json")
    convert(folder, "tf1", tmp_path / "tf1")
    names = dict(tf.train.list_variables(str(tmp_path / "tf1")))
    assert names["start_logits/dense/kernel"] == [12, 1]
    assert names["end_logits/dense_0/kernel"] == [24, 12]
    assert names["end_logits/LayerNorm/gamma"] == names["answer_class/dense_0/bias"] == [12]
    assert names["end_logits/dense_1/bias"] == [1]
    assert names["answer_class/dense_1/kernel"] == [12, 1]
    assert "answer_class/dense_1/bias" not in names
    (tmp_path / "tf1" / "task.json").unlink()
    again = model_of(tmp_path / "tf1")
    for mine, theirs in zip(model.head.variables, again.head.variables):
        np.testing.assert_array_equal(mine, theirs)
    with pytest.raises(InputError, match="not supported by hugging_face: head/start/kernel"):
        convert(folder, "hugging_face", tmp_path / "hf")


def test_a_new_head_needs_a_size_and_a_model_of_another_task_is_rejected():
    folder = TESTDATA / "hf_tiny"
    with pytest.raises(InputError, match="Received num_classes=None and no labels"):
        albert_tf.AlbertClassifier.from_pretrained(folder)
    model = albert_tf.AlbertClassifier.from_pretrained(folder, labels=["bad", "good"])
    source = load.load(folder)
    np.testing.assert_array_equal(
        model.encoder.pooler_layer.kernel, source.weights["encoder/pooler/kernel"]
    )
    assert model.head.kernel.shape == (32, 2)
    with pytest.raises(InputError, match="AlbertSpanLabeler can only load a model for questi"):
        albert_tf.AlbertSpanLabeler.from_pretrained(TASKS["classification"])


def test_an_encoder_without_pooler_fits_only_tasks_that_need_none():
    tagger = albert_tf.AlbertTokenClassifier.from_pretrained(TASKS["masked_lm"], num_classes=5)
    assert not any("pooler" in variable.name for variable in tagger.trainable_variables)
    with pytest.raises(InputError, match="not initialised .encoder/pooler/kernel"):
        albert_tf.AlbertClassifier.from_pretrained(TASKS["masked_lm"], num_classes=5)


@pytest.mark.parametrize(
    ("id2label", "text"),
    [({"0": "a", "2": "b"}, "must name the labels 0, 1, 2"), (["a"], "must name the labels")],
)
def test_invalid_labels_are_rejected(id2label, text, tmp_path):
    folder = Path(shutil.copytree(TASKS["classification"], tmp_path / "model"))
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, "id2label": id2label}))
    with pytest.raises(InputError, match=text):
        load.load(folder)


def test_other_formats_cannot_store_a_task_head(tmp_path):
    with pytest.raises(InputError, match="not supported by model_garden: head/kernel, head/bias"):
        convert(TASKS["classification"], "model_garden", tmp_path / "mg")
    for task in ("classification", "tagging"):
        report = convert(TASKS[task], "keras_hub", tmp_path / task, allow_partial=True)
        assert report["left_behind"] == ["head/kernel", "head/bias"]
        assert report["largest_output_difference"]["sequence_output"] < TOLERANCE
