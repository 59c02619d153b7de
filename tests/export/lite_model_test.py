"""LiteRT models give the outputs of the original and of the Keras model."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import albert_tf.export
from albert_tf.errors import InputError
from albert_tf.export import lite_model, manifest
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tokenization.graph.normalization import normalize
from albert_tf.tokenization.settings import Preprocessing
from tests.support import tiny_task
from tests.support.commands import call, status
from tests.support.paths import TESTDATA

NAMES = ("input_word_ids", "input_mask", "input_type_ids")


def runner(folder):
    return Interpreter(str(folder / lite_model.NAME)).get_signature_runner()


@pytest.fixture(scope="module")
def io():
    with np.load(TESTDATA / "tf1_tiny/io.npz") as arrays:
        return dict(arrays)


def largest_difference(folder, io):
    """Returns the largest difference from the original's pooled output, running row by row."""
    inputs = [io[name] for name in ("input_ids", "input_mask", "segment_ids")]
    run, differences = runner(folder), []
    for *row, expected in zip(*inputs, io["pooled_output"]):
        values = {name: value[np.newaxis].astype(np.int32) for name, value in zip(NAMES, row)}
        outputs = run(**values)
        assert set(outputs) == {"pooled_output", "sequence_output"}
        differences.append(np.max(np.abs(outputs["pooled_output"][0] - expected)))
    return max(differences)


@pytest.mark.parametrize("fixed", [False, True])
def test_float32_gives_the_outputs_of_the_original(source, tmp_path, io, fixed):
    length = io["input_ids"].shape[1] if fixed else None
    folder = lite_model.export(source, tmp_path / "lite", seq_length=length)
    assert largest_difference(folder, io) < 1e-5
    assert manifest.read(folder)["largest_difference"] < 1e-5
    if not fixed:
        outputs = runner(folder)(**dict.fromkeys(NAMES, np.ones([1, 5], np.int32)))
        assert outputs["sequence_output"].shape == (1, 5, 32)


@pytest.mark.parametrize(("precision", "drift"), [("float16", 2e-2), ("int8", 0.5)])
def test_the_error_of_smaller_files_is_printed_and_recorded(
    source, tmp_path, io, capsys, precision, drift
):
    assert status("export", "lite", source, tmp_path / "lite", "--precision", precision) == 0
    printed = re.search(
        rf"difference of {precision} from the source: at most (\S+), relative (\S+)",
        capsys.readouterr().out,
    )
    measured = largest_difference(tmp_path / "lite", io)
    assert 1e-4 < measured < drift and 1e-4 < float(printed.group(1)) < drift
    written = manifest.read(tmp_path / "lite")
    assert written["precision"] == precision
    assert f"{written['largest_difference']:.1e}" == printed.group(1)
    assert f"{written['relative_difference']:.1e}" == printed.group(2)
    names = {"model.tflite", "small.model", "small.vocab", "small.preprocess.json"}
    assert set(written["files"]) == names | {"albert_config.json"}


def test_a_classifier_gives_its_logits(tmp_path):
    task = tiny_task.task(ClassificationTask)
    task.describe = lambda: TaskDescription("classification", ("bad", "fair", "good"))
    run = tiny_task.save(task, task.build_model(), tmp_path / "run")
    folder = lite_model.export(run, tmp_path / "lite")
    assert manifest.read(folder)["labels"] == ["bad", "fair", "good"]
    ids = np.array([[2, 9, 40, 999, 3, 0]], np.int32)
    inputs = dict(zip(NAMES, (ids, (ids > 0).astype(np.int32), np.zeros_like(ids))))
    outputs, model = runner(folder)(**inputs), AlbertClassifier.from_pretrained(run)
    expected = model({name: tf.constant(value) for name, value in inputs.items()})
    np.testing.assert_allclose(outputs["logits"], expected, atol=1e-5)
    np.testing.assert_allclose(outputs["probabilities"], tf.nn.softmax(expected), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"precision": "int4"}, r"precision must be one of \(.*Received 'int4'. Closest: .*int8"),
        ({"seq_length": 41}, "between 3 and 40. Received --seq_length 41"),
        ({"seq_length": 2}, "between 3 and 40. Received --seq_length 2"),
    ],
)
def test_invalid_arguments_are_rejected_before_anything_is_written(
    source, tmp_path, arguments, message
):
    with pytest.raises(InputError, match=message):
        lite_model.export(source, tmp_path / "lite", **arguments)
    assert not list(tmp_path.iterdir())


def test_drift_is_the_largest_and_the_relative_difference():
    received, expected = np.array([[3.0, 4.5], [0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 0.0]])
    assert lite_model.drift_of(received, expected) == (0.5, 0.1)


def test_the_error_for_text_explains_why_it_is_not_supported(tmp_path):
    with pytest.raises(InputError, match="Flex delegate.*tokenize in the application"):
        call("export", "lite", "anything", tmp_path / "lite", "--text")


def test_interpreters_still_lack_the_flex_delegate():
    """When this test fails, models that take text can be supported and verified."""
    spec = tf.TensorSpec([None], tf.string)
    function = tf.function(lambda text: normalize(text, Preprocessing()), [spec], autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], tf.Module()
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
    interpreter = Interpreter(model_content=converter.convert())
    with pytest.raises(RuntimeError, match="Select TensorFlow op.* not supported"):
        interpreter.allocate_tensors()


def test_the_snippet_in_the_readme_runs(source, tmp_path, monkeypatch):
    lite_model.export(source, tmp_path / "lite")
    readme = Path(albert_tf.export.__file__).with_name("README.md").read_text()
    (snippet,) = re.findall(r"```python\n(from ai_edge.*?)```", readme, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(snippet, "README.md", "exec"), names)
    assert names["outputs"]["sequence_output"].shape == (1, 4, 32)
