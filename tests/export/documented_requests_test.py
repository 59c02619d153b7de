"""Exported models answer the requests of docs/requests.md as it says, over REST and gRPC."""

import base64
import json
import re
import runpy
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf

import albert_tf.export
from albert_tf import task_types
from albert_tf.serving import signatures
from albert_tf.tasks.embedding.served import ServedEmbedding
from tests.support import fake_server
from tests.support.paths import ROOT

PAGE = (ROOT / "docs/requests.md").read_text(encoding="utf-8")
CLIENT = Path(albert_tf.export.__file__).with_name("serving") / "grpc_client.py"
# The sections of the page, with the kind of export that answers and the signatures that it has.
SECTIONS = {
    "Classes": "classification",
    "Several labels": "pair_multi_label",
    "Numbers": "pair_regression",
    "Words": "tagging",
    "Questions": "question_answering",
    "Questions, with the joint model": "joint_question_answering",
    "Choices": "multiple_choice",
    "Masks": "fill_mask",
    "Embeddings": "embedding",
    "Encoder": "encoder",
    "Preprocessor": "preprocessor",
}
CUT = {"H", "D", "V", "N"}  # The page shows the first entries of these axes.


def table_of(kind):
    """The signatures of a kind of export, by name."""
    fixed = {"encoder": signatures.ENCODER, "preprocessor": signatures.PREPROCESSOR}
    rows = [row for row in task_types.all_types() if row.served.startswith("albert_tf.")]
    for served in {row.served_class for row in rows} | {ServedEmbedding}:
        fixed |= served.SIGNATURES
    return fixed[kind]


def exchanges(section):
    """The requests of a section, each with its response."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    assert len(blocks) % 2 == 0
    return list(zip(blocks[::2], blocks[1::2]))


CASES = [(section, *pair) for section in SECTIONS for pair in exchanges(section)]
NAMES = [f"{section}-{request.get('signature_name', '')}" for section, request, _ in CASES]


@pytest.fixture(scope="module")
def servers(exported, exports):
    """REST and gRPC addresses of a server with a model for each section."""
    hub = ("encoder", "preprocessor")
    models = {kind: tf.saved_model.load(str(exports / kind)) for kind in hub}
    models |= {kind: exported(kind).model for kind in SECTIONS.values() if kind not in hub}
    models["reviews"] = models["classification"]
    with fake_server.serving(models) as running:
        yield running


def post(server, kind, request):
    """Returns the response to a request over REST."""
    body = json.dumps(request).encode()
    url = f"http://{server}/v1/models/{kind}:predict"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body)) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        return json.load(error)


def columns(response, outputs):
    """The outputs of a response by name, in row or column format."""
    values = response.get("outputs")
    if values is None:
        rows = response["predictions"]
        if len(outputs) == 1:
            return dict.fromkeys(outputs, rows)
        return {name: [row[name] for row in rows] for name in rows[0]}
    return values if len(outputs) > 1 else dict.fromkeys(outputs, values)


def check_form(documented, received, axes):
    """Checks that two values have the same type and shape, up to axes that the page cuts."""
    documented, received = np.array(documented), np.array(received)
    assert documented.dtype.kind == received.dtype.kind
    assert documented.ndim == received.ndim == len(axes)
    for axis, shown, size in zip(axes, documented.shape, received.shape):
        assert 0 < shown < size if axis in CUT else shown == size, axis


@pytest.mark.parametrize(("section", "request_", "response"), CASES, ids=NAMES)
def test_a_documented_request_gets_a_response_of_the_documented_form(
    servers, section, request_, response
):
    kind = SECTIONS[section]
    outputs = table_of(kind)[request_.get("signature_name", "serving_default")].outputs
    received = post(servers[0], kind, request_)
    assert list(received) == list(response), received
    documented, values = columns(response, outputs), columns(received, outputs)
    assert set(documented) == set(values) == set(outputs)
    for name, spec in outputs.items():
        check_form(documented[name], values[name], spec.axes)


@pytest.mark.parametrize(("section", "request_", "response"), CASES, ids=NAMES)
def test_rows_columns_and_grpc_have_the_same_answers(servers, section, request_, response):
    kind, signature = SECTIONS[section], request_.get("signature_name", "serving_default")
    table = table_of(kind)[signature]
    by_rest = columns(post(servers[0], kind, request_), table.outputs)
    given = fake_server.of_json(request_)(table.inputs)
    tensors = {
        name: np.array(value, object if spec.dtype == tf.string else spec.dtype.as_numpy_dtype)
        for name, spec in table.inputs.items()
        for value in [given[name]]
    }
    predict = runpy.run_path(str(CLIENT))["predict"]
    with grpc.insecure_channel(servers[1]) as channel:
        by_grpc = predict(channel, kind, tensors, signature)
    texts = {name: np.vectorize(_base64, otypes=[object])(v) for name, v in tensors.items()}
    arrays = {name: value.tolist() for name, value in texts.items()}
    other = {"signature_name": signature, "inputs": arrays}
    if "inputs" in request_:
        other = {"signature_name": signature}
        other["instances"] = [dict(zip(arrays, row)) for row in zip(*arrays.values())]
    answer = post(servers[0], kind, other)
    if "mlm_logits" in table.outputs:  # It has more rows than there are texts.
        assert "inconsistent batch size" in answer["error"]
        answer = post(servers[0], kind, {"signature_name": signature, "inputs": arrays})
    for name, values in columns(answer, table.outputs).items():
        for received in (np.array(values), by_grpc[name]):
            if received.dtype.kind == "f":
                np.testing.assert_allclose(received, by_rest[name], atol=1e-5, err_msg=name)
            elif received.dtype == object:  # Texts are bytes over gRPC.
                assert np.char.decode(received.astype("S")).tolist() == by_rest[name]
            else:
                assert received.tolist() == by_rest[name]


def _base64(value):
    """A text as {"b64": ...}; numbers as they are."""
    if not isinstance(value, (str, bytes)):
        return int(value)
    data = value if isinstance(value, bytes) else value.encode()
    return {"b64": base64.b64encode(data).decode()}


def test_every_signature_of_every_kind_is_documented():
    assert list(SECTIONS) == re.findall(r"^## (.+)$", PAGE, re.MULTILINE)[1:]
    for section, kind in SECTIONS.items():
        shown = {
            request.get("signature_name", "serving_default") for request, _ in exchanges(section)
        }
        missing = set(table_of(kind)) - shown
        assert missing == ({"tokenization_info"} if kind == "encoder" else set()), section
    forms = [{"instances", "inputs"} & set(request) for _, request, _ in CASES]
    assert {"instances"} in forms and {"inputs"} in forms and '"b64"' in PAGE
    kinds = {row.name for row in task_types.all_types() if row.served.startswith("albert_tf.")}
    covered = {kind.removeprefix("pair_") for kind in SECTIONS.values()}
    assert kinds <= covered


def test_the_signature_without_inputs_is_called_over_grpc(servers):
    request = {"signature_name": "tokenization_info", "inputs": {}}
    assert "Failed to get input map" in post(servers[0], "encoder", request)["error"]
    predict = runpy.run_path(str(CLIENT))["predict"]
    with grpc.insecure_channel(servers[1]) as channel:
        outputs = predict(channel, "encoder", {}, "tokenization_info")
    assert outputs["do_lower_case"].item() is True
    assert outputs["vocab_file"].item().endswith(b".model")
    assert set(outputs) == set(signatures.ENCODER["tokenization_info"].outputs)
    assert all(f"`{name}`" in PAGE for name in (*outputs, "tokenization_info"))


def test_the_lines_of_python_run(servers):
    with grpc.insecure_channel(servers[1]) as channel:
        names = {"predict": runpy.run_path(str(CLIENT))["predict"], "channel": channel, "np": np}
        blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
        for block in blocks:
            exec(compile(block, "docs/requests.md", "exec"), names)
    assert len(blocks) == 2 and names["arrays"]["input_ids"].shape == (1, 4)


@pytest.mark.parametrize(
    ("documented", "received", "axes"),
    [
        ([[1, 2]], [[1, 2, 3]], ("B", "C")),
        ([1.5], [1], ("B",)),
        (["a", "b"], ["a"], ("B",)),
        ([[1.0, 2.0]], [1.0], ("B",)),
        ([[1.0, 2.0]], [[1.0, 2.0]], ("B", "H")),
    ],
)
def test_another_form_is_noticed(documented, received, axes):
    with pytest.raises(AssertionError):
        check_form(documented, received, axes)
