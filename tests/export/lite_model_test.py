"""LiteRT models give the outputs of the original and of the Keras model."""

import re
import types
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import albert_tf.export
from albert_tf import task_types
from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.export import lite_model, manifest
from albert_tf.export.task_model import Settings
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.serving.signatures import ENCODER, IDS, TF1_HUB, Signature, Spec
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tokenization.graph.normalization import normalize
from albert_tf.tokenization.settings import Preprocessing
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support import served_tasks, tiny_task
from tests.support.commands import call, status
from tests.support.paths import ROOT, TESTDATA

NAMES = ("input_word_ids", "input_mask", "input_type_ids")
OURS = [row for row in task_types.all_types() if row.served.startswith("albert_tf.")]
# The outputs of `tokens` by the kind of the task.
TABLES = {
    kind: table["tokens"].outputs
    for served in {row.served_class for row in OURS}
    for kind, table in served.SIGNATURES.items()
}


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
    assert set(written["files"]) == names | {"albert_config.json", "README.md"}


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


def lite_settings(kind):
    return served_tasks.PRETRAINED.get(kind, Settings())


@pytest.mark.parametrize("length", [None, 9])
def test_every_task_gives_the_numbers_of_its_served_model(served, length, tmp_path):
    folder = lite_model.export(
        served.source, tmp_path / "lite", "float32", length, lite_settings(served.kind)
    )
    tokens = served.model.signatures["tokens"]
    rng, size = np.random.default_rng(2), 7
    shape = [1, 4, size] if served.kind == "multiple_choice" else [1, size]
    ids = rng.integers(5, 200, shape).astype(np.int32)
    ids[..., [2, 5]] = 4  # [MASK]
    row = (ids, np.ones_like(ids), (np.arange(size) > 2) + np.zeros_like(ids))
    expected = tokens(**dict(zip(TF1_HUB, (tf.constant(x, tf.int32) for x in row))))
    padding = [(0, 0)] * (len(shape) - 1) + [(0, 2)]
    padded = dict(zip(NAMES, (np.pad(x, padding).astype(np.int32) for x in row)))
    outputs = runner(folder)(**padded)
    specs = {n: s for n, s in TABLES[served.kind].items() if s.dtype != tf.string}
    assert outputs.keys() == specs.keys() and outputs
    assert manifest.read(folder)["outputs"] == {n: str(spec) for n, spec in specs.items()}
    for name, spec in specs.items():
        real = [slice(size if axis in "SW" else None) for axis in spec.axes]
        np.testing.assert_allclose(outputs[name][tuple(real)], expected[name], atol=1e-5)
    if served.kind == "fill_mask":
        np.testing.assert_array_equal(outputs["positions"], [[2, 5]])


def test_a_regression_gives_its_value_and_a_pretrained_model_without_flags_its_encoder(
    exported, source, tmp_path, capsys
):
    lite_model.export(exported("pair_regression").source, tmp_path / "value")
    assert set(manifest.read(tmp_path / "value")["outputs"]) == {"value"}
    assert (
        "exported: pair_regression, with the outputs value float32 [B]" in capsys.readouterr().out
    )
    assert status("export", "lite", source, tmp_path / "encoder") == 0
    assert "exported: encoder, with the outputs pooled_output" in capsys.readouterr().out
    assert status("export", "lite", source, tmp_path / "masks", "--top_k", "3") == 0
    assert status("export", "lite", source, tmp_path / "cls", "--pooling", "cls") == 0
    kinds = [manifest.read(tmp_path / name)["task"] for name in ("encoder", "masks", "cls")]
    assert kinds == ["encoder", "fill_mask", "embedding"]


def test_a_row_without_masks_has_no_fillings(source, tmp_path):
    lite_model.export(source, tmp_path / "lite", settings=Settings(top_k=3))
    ids = np.array([[2, 9, 40, 3]], np.int32)
    outputs = runner(tmp_path / "lite")(**dict(zip(NAMES, (ids, ids * 0 + 1, ids * 0))))
    assert outputs["lengths"] == [0] and outputs["token_ids"].shape == (1, 0, 3)


def test_flags_of_another_task_are_rejected(exported, tmp_path):
    with pytest.raises(InputError, match="--top_k is supported for fill_mask only"):
        lite_model.export(exported("tagging").source, tmp_path / "lite", settings=Settings(top_k=3))
    with pytest.raises(InputError, match="Unknown pooling. Received 'sum'"):
        lite_model.export(
            exported("tagging").source, tmp_path / "lite", settings=Settings(pooling="sum")
        )
    assert not list(tmp_path.iterdir())


def test_a_task_that_litert_cannot_run_is_refused(source, tmp_path):
    text = Signature({"input_ids": IDS}, {"label": Spec(tf.string, ("B",))})
    task = types.SimpleNamespace(kind="poetry", table={"tokens": text})
    task.whole = lambda: task
    with pytest.raises(InputError, match="output of numbers. Received a model for poetry with"):
        lite_model.of_task(types.SimpleNamespace(task=task))
    encoder = AlbertEncoder.from_pretrained(source)
    config = AlbertConfig.from_json_file(source / "albert_config.json")

    def call(ids, mask, types):
        return {"volume": tf.linalg.det(tf.cast(ids, tf.float32)[tf.newaxis] + [[1.0], [2.0]])}

    unsupported = lite_model.LiteSource(encoder, call, config, {"volume": Spec(tf.float32)}, "area")
    tokenizer = AlbertTokenizer.from_pretrained(source)
    with pytest.raises(
        InputError, match="Received a model for area, which needs others: MatrixDet"
    ):
        lite_model.write(unsupported, tokenizer, tmp_path / "lite", seq_length=2)
    assert not list(tmp_path.iterdir())


def test_the_contracts_have_the_outputs_of_every_task():
    text = (ROOT / "docs/contracts.md").read_text()
    for kind, outputs in {**TABLES, "encoder": ENCODER["tokens"].outputs}.items():
        numbers = {name: spec for name, spec in outputs.items() if spec.dtype != tf.string}
        listed = ", ".join(f"`{name}` {spec}" for name, spec in numbers.items())
        assert f"| `{kind.removeprefix('pair_')}` | {listed} |" in text


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
