"""A C++ program without Python loads the artefacts as TensorFlow Serving does."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import soak
from tests.export.warmup_test import requests as requests_of_warmup
from tests.support import cpp_server

pytestmark = [
    pytest.mark.clean_process,
    pytest.mark.skipif(
        not shutil.which("g++"), reason="g++, which compiles the loader, is not installed."
    ),
]


def of_encoder(path):
    rng = np.random.default_rng(0)
    ids = rng.integers(5, 200, [3, 9]).astype(np.int32)
    mask = (np.arange(9) < [[9], [4], [1]]).astype(np.int32)
    inputs = dict(input_ids=ids, input_mask=mask, segment_ids=np.zeros_like(ids))
    positions = {"mlm_positions": np.array([[1, 2], [3, 0], [0, 0]], np.int32)}
    for name in ("serving_default", "tokens", "sop"):
        yield name, inputs
    yield "mlm", {**inputs, **positions}
    yield "tokenization_info", {}
    ids = rng.integers(5, 200, [29, 11]).astype(np.int32)  # More rows than `int8.NORM_ROWS`.
    yield (
        "tokens",
        dict(input_ids=ids, input_mask=np.ones_like(ids), segment_ids=np.zeros_like(ids)),
    )


def of_preprocessor(path):
    yield "serving_default", {"texts": np.array(["one text", "", "Café 1,000"])}


@pytest.mark.parametrize(
    ("name", "products", "requests", "count"),
    [
        ("encoder", "float32", of_encoder, 6),
        ("encoder", "float32", requests_of_warmup, 24),
        ("encoder", "int8", of_encoder, 6),
        ("encoder", "int8", requests_of_warmup, 24),
        ("preprocessor", "float32", of_preprocessor, 1),
        ("fill_mask", "float32", requests_of_warmup, 12),
        ("multiple_choice", "int8", requests_of_warmup, 12),
        ("embedding", "int8", requests_of_warmup, 12),
    ],
)
def test_every_signature_gives_the_same_outputs_as_in_python(
    exports, encoders, exported, name, products, requests, count
):
    if name == "preprocessor":
        path, model = exports / name, tf.saved_model.load(str(exports / name))
    elif name == "encoder":
        path, model = encoders(products)
    else:
        _, _, path, model, _ = exported(name, products)
    requests = list(requests(path))
    assert len(requests) == count
    # A difference of 1e-7 may move an activation to the next level of int8.
    tolerance = 2e-3 if products == "int8" else 1e-5
    for (signature, inputs), ours in zip(requests, cpp_server.answers(path, requests)):
        expected = model.signatures[signature](**{n: tf.constant(v) for n, v in inputs.items()})
        assert set(ours) == set(expected)
        for key, value in expected.items():
            if value.dtype == tf.float32:
                np.testing.assert_allclose(ours[key], value, atol=tolerance)
            else:
                np.testing.assert_array_equal(ours[key], value)


def test_good_answers_stay_the_same_and_memory_flat_among_hostile_requests(exported):
    kinds = ("classification", "joint_question_answering", "multiple_choice")
    models = {kind: exported(kind) for kind in kinds}
    models["tagging"] = exported("tagging", "int8")
    results = list(soak.soak_in_cpp(models, 150, [8, 3]))
    assert [(result.threads, result.faults) for result in results] == [(8, []), (3, [])]
    for result in results:
        assert result.good + result.answered + result.refused == 150
        assert result.good > 70 and result.refused > 15 and result.answered > 5
        assert 0 < result.p50 <= result.p99
    assert results[-1].after - results[0].before < 300


def test_other_answers_and_other_errors_under_load_are_found(tmp_path):
    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.string, name="name")])
        def serve(self, name):
            return {"random": tf.random.uniform([2]), "content": tf.io.read_file(name)}

    module = Module()
    tf.saved_model.save(module, str(tmp_path / "m"), signatures={"serve": module.serve})
    (tmp_path / "file").write_text("text")
    good, hostile = (
        [(0, "serve", {"name": np.array(str(tmp_path / name))})] for name in ("file", "missing")
    )
    lines = list(cpp_server.load([tmp_path / "m"], good, hostile, 30, [2]))
    faults = [" ".join(line) for line in lines if line[0] == "fault"]
    assert any("another random" in line for line in faults)
    assert any("NOT_FOUND" in line for line in faults)
    assert {line.split()[1] for line in faults} == {"0", "1"}
    assert len(faults) == 1 + 10 + 30 and len(lines) == len(faults) + 1
