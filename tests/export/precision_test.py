"""Exports with int8 and bfloat16 products, compared with those in float32.

`task_requests_test` sends all its requests to int8 exports too.
"""

import re
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.export import manifest, verify
from albert_tf.formats.load import load
from albert_tf.modeling import int8
from albert_tf.tasks.embedding.model import as_embedding
from albert_tf.tasks.predictor import Predictor
from tests.export.task_requests_test import tensors, tokens
from tests.support import served_tasks
from tests.support.commands import status

# The drift of int8 was at most 0.02 in the logits and vectors of these models, which have random
# weights; that of bfloat16 0.004.
DRIFT = {"int8": 0.04, "bfloat16": 0.01}


def drift(received, expected):
    return np.linalg.norm(received - expected) / np.linalg.norm(expected)


def float_outputs(run, inputs):
    outputs = {name: value.numpy() for name, value in run(**inputs).items()}
    return {n: np.maximum(v, -1e4) for n, v in outputs.items() if v.dtype.kind == "f"}


def stored(path):
    """Returns the shapes of the variables in a file, by type, with their numbers."""
    names = tf.train.list_variables(str(path / "variables/variables"))
    reader = tf.train.load_checkpoint(str(path / "variables/variables"))
    types, counts = reader.get_variable_to_dtype_map(), {}
    for name, shape in names:
        counts.setdefault(types[name].name, Counter())[tuple(shape)] += 1
    return counts


@pytest.mark.parametrize(
    ("kind", "products"),
    [*((kind, "int8") for kind in served_tasks.KINDS), ("tagging", "bfloat16")],
)
def test_a_task_has_the_answers_and_the_contract_of_float32(exported, kind, products):
    ours, float32 = exported(kind, products), exported(kind)
    inputs = tensors(tokens(ours, 16, 5, 11))
    expected = float_outputs(float32.model.signatures["tokens"], inputs)
    received = float_outputs(ours.model.signatures["tokens"], inputs)
    assert received.keys() == expected.keys() and expected
    drifts = {name: drift(received[name], value) for name, value in expected.items()}
    assert 0 < max(drifts.values()) < DRIFT[products]
    written, other = manifest.read(ours.path), manifest.read(float32.path)
    assert written["signatures"] == other["signatures"]
    assert written["custom_ops"] == other["custom_ops"]
    internal = {"_QuantizedMatMul", "_MklLayerNorm"} if products == "int8" else set()
    assert {op for op in written["ops"] if op.startswith("_")} == internal
    assert written["precision"]["products"] == products and "precision" not in other


@pytest.mark.parametrize("kind", ["multiple_choice", "fill_mask", "embedding"])
def test_a_file_has_each_weight_once_except_those_of_a_call_that_can_be_trained(exported, kind):
    config = manifest.read(exported(kind).path)["config"]
    width, hidden, inner = (
        config[name] for name in ("embedding_size", "hidden_size", "intermediate_size")
    )
    blocks = config["num_hidden_groups"] * config["inner_group_num"]
    square, others = (hidden, hidden), [(hidden, inner), (inner, hidden)]
    replaced = Counter({(width, hidden): 1, square: 4 * blocks, hidden: 0})
    replaced.update(dict.fromkeys(others, blocks))
    ours, float32 = stored(exported(kind, "int8").path), stored(exported(kind).path)
    left_out = float32["float32"] - ours["float32"]
    kernels = Counter({shape: n for shape, n in left_out.items() if len(shape) == 2})
    assert kernels == (Counter() if kind == "embedding" else +replaced)
    in_int8 = Counter({(width, hidden): 1, (hidden, 3 * hidden): blocks, square: blocks})
    in_int8.update(dict.fromkeys(others, blocks))
    assert ours["int8"] == in_int8 and "int8" not in float32


# === Encoders ===
def encoder_inputs(rows=3, length=13, **others):
    rng = np.random.default_rng(7)
    ids = rng.integers(5, 200, [rows, length], np.int32)
    mask = (np.arange(length) < np.array([[13], [6], [1]])[:rows]).astype(np.int32)
    types = rng.integers(0, 2, [rows, length], np.int32)
    inputs = dict(input_ids=ids, input_mask=mask, segment_ids=types, **others)
    return {name: tf.constant(value) for name, value in inputs.items()}


POSITIONS = np.array([[2, 12], [5, 0], [0, 0]], np.int32)


@pytest.mark.parametrize("remove_padding", [True, False])
def test_signatures_of_an_encoder_are_near_and_its_calls_equal_to_float32(encoders, remove_padding):
    path, ours = encoders("int8", remove_padding)
    other_path, float32 = encoders("float32", remove_padding)
    assert manifest.read(path)["signatures"] == manifest.read(other_path)["signatures"]
    for name in ("serving_default", "tokens", "mlm", "sop"):
        inputs = encoder_inputs(**({"mlm_positions": POSITIONS} if name == "mlm" else {}))
        expected = float_outputs(float32.signatures[name], inputs)
        for key, value in float_outputs(ours.signatures[name], inputs).items():
            assert 1e-5 < drift(value, expected[key]) < DRIFT["int8"], (name, key)
            if key == "sequence_output" and remove_padding:
                assert not np.any(value[inputs["input_mask"] == 0])
    inputs = encoder_inputs()
    np.testing.assert_array_equal(
        ours(inputs)["sequence_output"], float32(inputs)["sequence_output"]
    )
    assert len(ours.variables) == len(float32.variables) == 25


@pytest.mark.parametrize("name", ["tokens", "mlm", "sop"])
@pytest.mark.parametrize("sizes", [(0, 13), (3, 0), (0, 0)])
def test_requests_without_rows_or_tokens_are_answered_as_in_float32(encoders, name, sizes):
    positions = {"mlm_positions": np.zeros([sizes[0], 2], np.int32)} if name == "mlm" else {}
    answers = []
    for products in ("float32", "int8"):
        run = encoders(products)[1].signatures[name]
        try:
            outputs = run(**encoder_inputs(*sizes, **positions))
            answers.append({key: (value.shape, value.dtype) for key, value in outputs.items()})
        except tf.errors.InvalidArgumentError as error:
            answers.append(str(error).partition("[[")[0].split("\n")[0])
    assert answers[0] == answers[1]


def test_an_encoder_in_int8_is_trained_through_its_call(encoders):
    _, ours = encoders("int8")
    inputs = encoder_inputs()
    before = ours.signatures["tokens"](**inputs)["pooled_output"]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(ours(inputs, training=True)["sequence_output"][..., 0])
    gradients = tape.gradient(loss, ours.trainable_variables)
    gradients = [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]
    zero = [v.name for v, g in zip(ours.trainable_variables, gradients) if not np.any(g)]
    assert all("pooler" in name for name in zero) and len(zero) == 2  # no part in this output
    kernels = [(v, g) for v, g in zip(ours.trainable_variables, gradients) if "kernel" in v.name]
    called = ours(inputs)["pooled_output"]
    for variable, gradient in kernels:
        variable.assign_sub(0.1 * gradient)
    assert len(kernels) == 8 and drift(ours(inputs)["pooled_output"], called) > 1e-3
    # Products keep the weights of the export.
    after = ours.signatures["tokens"](**inputs)["pooled_output"]
    np.testing.assert_allclose(after, before, atol=1e-5)


# === Settings ===
@pytest.mark.parametrize("kind", ["encoder", "task"])
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("int9",), "--precision must be one of float32, bfloat16, int8. Received 'int9'. .*int8"),
        (("",), "--precision must be one of float32, bfloat16, int8. Received ''."),
        (("INT8",), "--precision must be one of .* Received 'INT8'."),
        (("float16",), "--precision must be one of .* Received 'float16'. Closest: bfloat16"),
        (("int8", "--max_drift", "0"), "--max_drift must be a positive number. Received 0.0."),
        (("int8", "--max_drift", "-1"), "--max_drift must be .* Received -1.0."),
        (("bfloat16", "--max_drift", "nan"), "--max_drift must be .* Received nan."),
        (("int8", "--max_drift", "inf"), "--max_drift must be .* Received inf."),
        (("float32", "--max_drift", "1"), "--max_drift is for .* with --precision float32"),
        (("float32", "--calibration", "x"), "--calibration is for .* with --precision float32"),
    ],
)
def test_settings_that_break_a_rule_are_rejected(source, kind, flags, message, tmp_path, capsys):
    assert status("export", kind, source, tmp_path / "to", "--precision", *flags) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert error.count("\n") == 1 and not (tmp_path / "to").exists()


@pytest.mark.parametrize("flag", ["--precision", "--calibration", "--max_drift"])
def test_a_preprocessor_has_no_precision(source, flag, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit:
        status("export", "preprocessor", source, tmp_path / "to", flag, "1")
    assert exit.value.code == 2
    assert f"unrecognized arguments: {flag}" in capsys.readouterr().err


LABELLED = "text,label\n" + "".join(
    f"{text},{label}\n"
    for text, label in (
        ("a fine film", "good"),
        ("a waste of time", "bad"),
        ("neither this nor that", "fair"),
        ("a long film with many words in it", "good"),
    )
)
# The name of a file, its content and what the error says; None is no file.
CALIBRATION = {
    "missing.csv": (None, "matches no file"),
    "empty.csv": ("", "--calibration must have rows. Received '.*empty.csv', which has none."),
    "header.csv": ("text,label\n", "--calibration must have rows. Received '.*header.csv'"),
    "zeros.csv": (b"text\na\0b\n", "must be UTF-8 text|must be text"),
    "latin.csv": ("text\ncaf\u00e9\n".encode("latin1"), "UTF-8"),
    "name.xyz": ("a film\n", "must end in one of .csv"),
    "column.csv": ("words\na film\n", "must have the columns \\['text'\\]"),
    # Files with labels are read with labels, and a damaged row is not left out.
    "unknown.csv": (LABELLED + "a film,great\n", "'great'"),
    "all_unknown.csv": ("text,label\na film,great\nno film,awful\n", "'(great|awful)'"),
    "no_label.csv": (LABELLED + "a film,\n", "label"),
    "fields.csv": ("text,label\na film,good,more\n" + LABELLED[11:], "fields"),
    "broken.jsonl": ('{"text": "a film", "label": "good"}\n{"text"\n', "JSON"),
}
CALIBRATION_OF_ENCODER = {
    "missing.txt": (None, "missing.txt"),
    "empty.txt": ("", "--calibration must have texts, .* Received '.*empty.txt', which has none."),
    "blank.txt": ("\n  \n\t\n", "--calibration must have texts, .* Received '.*blank.txt'"),
    "zeros.txt": (b"a\0b\n", "text"),
    "latin.txt": ("caf\u00e9\n".encode("latin1"), "UTF-8"),
}


@pytest.mark.parametrize(
    ("kind", "name"),
    [*(("task", n) for n in CALIBRATION), *(("encoder", n) for n in CALIBRATION_OF_ENCODER)],
)
def test_a_calibration_file_that_breaks_a_rule_is_rejected(
    source, exported, kind, name, tmp_path, capsys
):
    path, model = tmp_path / name, source
    content, message = (CALIBRATION if kind == "task" else CALIBRATION_OF_ENCODER)[name]
    if kind == "task":
        model = exported("classification").source
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    flags = ("--precision", "int8", "--calibration", path)
    assert status("export", kind, model, tmp_path / "to", *flags) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert error.count("\n") == 1 and not (tmp_path / "to").exists()


def test_nothing_is_written_if_the_drift_is_too_large(source, exported, tmp_path, capsys):
    texts = tmp_path / "texts.txt"
    texts.write_text("a film\n\nanother, longer film\n")
    flags = ("--precision", "int8", "--max_drift", "1e-4", "--calibration", texts)
    for kind, model in (("encoder", source), ("task", exported("classification").source)):
        assert status("export", kind, model, tmp_path / "to", *flags) == 2
        error = capsys.readouterr().err
        assert "must be close to those in float32, with a drift of at most 0.0001." in error
        count = 2 if kind == "encoder" else 3  # Each line of a file to predict is a text.
        assert f"on {count} texts. Export float32, or accept it with --max_drift." in error
        assert error.count("\n") == 1 and not (tmp_path / "to").exists()


def exported_with(kind, model, calibration, folder, *flags):
    """Returns the manifest and the card of an int8 export."""
    flags = ("--precision", "int8", "--no_check", "--calibration", calibration, *flags)
    assert status("export", kind, model, folder, *flags) == 0
    path = folder / "1" if kind == "task" else folder
    return manifest.read(path), (path / "README.md").read_text()


def test_metrics_of_labelled_rows_are_compared(exported, tmp_path, capsys):
    path = tmp_path / "dev.csv"
    path.write_text(LABELLED)
    source = exported("classification").source
    written, card = exported_with("task", source, path, tmp_path / "to")
    compared = written["precision"]
    assert compared["rows"] == 4 and "accuracy" in compared["metrics"]
    texts = tf.constant([line.partition(",")[0] for line in LABELLED.splitlines()[1:]])
    wanted = [line.partition(",")[2].encode() for line in LABELLED.splitlines()[1:]]
    for products, received in zip(("float32", "int8"), compared["metrics"]["accuracy"]):
        run = exported("classification", products).model.signatures["serving_default"]
        assert received == np.mean(run(text=texts)["label"].numpy() == wanted)
    before, after = compared["metrics"]["accuracy"]
    line = (
        f"relative drift {compared['drift']:.1e} on 4 texts, {compared['agreement']:.1%} of the "
        "answers are the same"
    )
    assert f"int8 compared with float32: {line}" in capsys.readouterr().out
    assert f"| precision | int8 products; {line}" in card
    assert f"accuracy {after:.4f} instead of {before:.4f}" in card
    assert 0 < compared["drift"] < DRIFT["int8"]


@pytest.mark.parametrize("header", ["text", "id,text"])
def test_rows_without_labels_have_no_metrics(exported, header, tmp_path, capsys):
    path = tmp_path / "new.csv"
    path.write_text(
        "\n".join([header, *(["20", "7,20"][len(header) > 4] for _ in range(5))]) + "\n"
    )
    run = exported("classification").source
    written, card = exported_with("task", run, path, tmp_path / "to")
    assert written["precision"]["rows"] == 5 and written["precision"]["metrics"] is None
    assert "instead of" not in card
    assert f"'{path}' has no labels, so metrics are not compared" in capsys.readouterr().out


# Files that can be predicted, with labels and without.
FILES = {
    "pair_regression": [("a.csv", "text,b,label\nx,y,1.5\n", "text,b\nx,y\n")],
    "tagging": [
        ("a.conll", "Ada B-A\nsaid O\n\nso O\n", "Ada\nsaid\n\nso\n"),
        ("a.txt", "Ada\tB-A\nsaid\tO\n", "Ada\nsaid\n"),
    ],
    "entities": [
        (
            "a.jsonl",
            '{"text": "Ada said", "entities": [{"start": 0, "end": 3, "label": "A"}]}\n',
            '{"text": "Ada said"}\n',
        ),
        ("a.conll", "Ada B-A\nsaid O\n", "Ada\nsaid\n"),
        ("a.txt", None, "Ada said O\n"),
        ("a.txt", None, "Ada said O\nShe said it\n"),
    ],
    "question_answering": [
        (
            "a.jsonl",
            '{"question": "who", "context": "it was Ada", "answers": '
            '[{"text": "Ada", "answer_start": 7}]}\n',
            '{"question": "who", "context": "it was Ada"}\n',
        )
    ],
    "multiple_choice": [
        (
            "a.csv",
            "sent1,sent2,ending0,ending1,ending2,ending3,label\np,q,a,b,c,d,1\n",
            "sent1,sent2,ending0,ending1,ending2,ending3\np,q,a,b,c,d\n",
        )
    ],
    "fill_mask": [("a.txt", None, "a [MASK] film\n")],
    "embedding": [("a.txt", None, "a film\n"), ("a.csv", None, "text,label\na film,1\n")],
}


@pytest.mark.parametrize("kind", FILES)
def test_files_of_each_task_have_labels_or_not(exported, source, kind, tmp_path):
    model = source if kind in served_tasks.PRETRAINED else exported(kind).source
    if kind == "embedding":
        model = as_embedding(load(source), "mean")
    predictor = Predictor(model)
    for name, labelled, unlabelled in FILES[kind]:
        path = tmp_path / name
        for content, expected in ((labelled, True), (unlabelled, False)):
            if content is not None:
                path.write_text(content)
                found = predictor.task.any_labelled(predictor.params(path))
                assert found == (expected or kind == "fill_mask"), (name, content)
                assert len(predictor.task.read(predictor.params(path), found)) > 0


def test_a_processor_with_inexact_products_gets_float32_and_is_told(
    source, exported, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(int8, "is_exact", lambda: False)
    flags = ("--precision", "int8", "--no_check")
    for kind, model in (("encoder", source), ("task", exported("classification").source)):
        assert status("export", kind, model, tmp_path / kind, *flags) == 0
        assert "products that are not exact, so the export is in float32" in capsys.readouterr().out
        (path,) = (tmp_path / kind).glob("**/manifest.json")
        written = manifest.read(path.parent)
        assert "precision" not in written and int8.PRODUCT_OP not in written["ops"]


# === Other processes ===
@pytest.mark.clean_process
def test_an_export_answers_without_the_optimizations_of_onednn(encoders, exported, monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    path, model = encoders("int8")
    inputs = encoder_inputs()
    answers = verify.run(path, {"signatures/tokens": inputs, "signatures/sop": inputs})
    for name in ("tokens", "sop"):
        for key, value in float_outputs(model.signatures[name], inputs).items():
            received = answers[f"signatures/{name}:{key}"]
            assert drift(received, value) < 5e-3, (name, key)  # Roundings move a few levels.


@pytest.mark.clean_process
def test_the_command_verifies_an_export_in_int8(exported, tmp_path, capsys):
    source = exported("classification").source
    flags = ("--precision", "int8", "--max_drift", "0.05", "--seq_length", "16")
    assert status("export", "task", source, tmp_path / "to", *flags) == 0
    printed = capsys.readouterr().out
    match = re.search(r"verified in a separate process: 3 calls, largest difference (\S+)", printed)
    assert float(match.group(1)) < 2e-3
    assert "comparing int8 with float32 ..." in printed
