"""The clients in export/serving/ run against a fake server."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf

import albert_tf.export
from tests.support import fake_server

FILES = Path(albert_tf.export.__file__).with_name("serving")
TEXTS = ["a fine film", "a waste of time, and 1,000 more"]
IDS = {
    "input_ids": [[2, 10, 21, 3, 0], [2, 30, 7, 8, 3]],
    "input_mask": [[1, 1, 1, 1, 0], [1] * 5],
    "segment_ids": [[0] * 5] * 2,
}


@pytest.fixture(scope="module")
def addresses(exported):
    """REST and gRPC addresses of a server with a classifier and a model with a single output."""
    models = {"reviews": exported("classification").model, "one": exported("embedding").model}
    with fake_server.serving(models) as running:
        yield running


@pytest.fixture(params=["rest", "grpc"])
def predict(request, addresses):
    """The `predict` function of each client, bound to its server."""
    client = runpy.run_path(str(FILES / f"{request.param}_client.py"))["predict"]
    if request.param == "rest":
        yield lambda *arguments: client(addresses[0], *arguments)
        return
    types = dict.fromkeys(IDS, np.int32)
    with grpc.insecure_channel(addresses[1]) as channel:
        yield lambda model, inputs, *more: client(
            channel, model, {n: np.array(v, types.get(n)) for n, v in inputs.items()}, *more
        )


def expected(exported, signature, inputs):
    run = exported("classification").model.signatures[signature]
    return run(**{name: tf.constant(value) for name, value in inputs.items()})


@pytest.mark.parametrize(
    ("signature", "inputs"), [("serving_default", {"text": TEXTS}), ("tokens", IDS)]
)
def test_clients_return_the_outputs_of_the_model(predict, exported, signature, inputs):
    answer, wanted = predict("reviews", inputs, signature), expected(exported, signature, inputs)
    assert set(answer) == set(wanted) == {"label", "label_index", "probabilities", "logits"}
    np.testing.assert_allclose(answer["logits"], wanted["logits"], atol=1e-6)
    assert np.array_equal(np.array(answer["label"], "S"), wanted["label"].numpy().astype("S"))


def test_clients_return_a_single_output(predict, exported):
    (embedding,) = predict("one", {"text": TEXTS}).values()
    run = exported("embedding").model.signatures["serving_default"]
    np.testing.assert_allclose(embedding, run(text=tf.constant(TEXTS))["embedding"], atol=1e-6)


def test_clients_raise_the_errors_of_the_server(predict):
    wrong = {**IDS, "input_ids": [[2, 5000, 21, 3, 0]] * 2}
    for arguments, message in [
        (("other", {"text": TEXTS}), r"Servable not found for request: Latest\(other\)"),
        (("reviews", {"txt": TEXTS}), "text"),
        (("reviews", wrong, "tokens"), r"must lie in \[0, 1000\)"),
    ]:
        with pytest.raises((RuntimeError, grpc.RpcError), match=message):
            predict(*arguments)


@pytest.mark.parametrize(("name", "index"), [("rest_client", 0), ("grpc_client", 1)])
def test_both_clients_run_as_programs(addresses, exported, name, index, monkeypatch, capsys):
    words = [name, "reviews", *TEXTS, "--server", addresses[index]]
    monkeypatch.setattr(sys, "argv", words)
    runpy.run_path(str(FILES / f"{name}.py"), run_name="__main__")
    printed = capsys.readouterr().out
    for label in expected(exported, "serving_default", {"text": TEXTS})["label"].numpy():
        assert label.decode() in printed


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed.")
def test_the_shell_script_gets_an_answer_to_each_request(addresses, exported):
    command = ["bash", FILES / "client.sh", "reviews", addresses[0]]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    state, metadata, rows, columns, ids = map(json.loads, finished.stdout.splitlines())
    assert state["model_version_status"][0]["state"] == "AVAILABLE"
    assert "tokens" in metadata["metadata"]["signature_def"]
    texts = ["a fine film", "a waste of time"]
    wanted = expected(exported, "serving_default", {"text": texts})["logits"]
    np.testing.assert_allclose(columns["outputs"]["logits"], wanted, atol=1e-6)
    both = [row["logits"] for row in rows["predictions"]]
    np.testing.assert_allclose(both, wanted, atol=1e-6)
    assert len(ids["predictions"]) == 1 and len(ids["predictions"][0]["logits"]) == 3
