"""A real TensorFlow Serving server serves two versions over REST and gRPC, with batching."""

import json
import os
import re
import socket
import subprocess
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

import albert_tf.export
from albert_tf.export import task_model
from albert_tf.export.task_model import Settings
from tests.support.paths import ROOT

BINARY = os.environ.get("TENSORFLOW_MODEL_SERVER", "")
FILES = Path(albert_tf.export.__file__).with_name("serving")
pytestmark = [
    pytest.mark.clean_process,
    pytest.mark.skipif(
        not BINARY,
        reason="Set TENSORFLOW_MODEL_SERVER to the path of tensorflow_model_server, version 2.20 "
        "or later. No Python package contains it.",
    ),
]


def free_port():
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def server(source, tmp_path_factory):
    """A server with two versions of an embedding model (1 mean, 2 [CLS]): folder and ports."""
    base = tmp_path_factory.mktemp("models") / "reviews"
    for pooling in ("mean", "cls"):
        settings = Settings(pooling=pooling, seq_length=20)
        task_model.export(source, base, settings=settings, check=False)
    config = base.parent / "models.config"
    guide = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
    canary = re.findall(r"```textproto\n([\s\S]*?)```", guide)[1]
    config.write_text(canary.replace("/models/reviews", str(base)))
    rest, rpc = free_port(), free_port()
    command = [
        BINARY,
        f"--rest_api_port={rest}",
        f"--port={rpc}",
        f"--model_config_file={config}",
        "--allow_version_labels_for_unavailable_models",
        "--enable_batching",
        f"--batching_parameters_file={FILES / 'batching.config'}",
    ]
    with subprocess.Popen(command) as process:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://localhost:{rest}/v1/models/reviews/labels/canary")
                break
            except OSError:
                assert process.poll() is None
                time.sleep(1)
        yield base, rest, rpc
        process.terminate()


def test_both_versions_answer_over_rest_and_grpc_and_in_batches(server):
    base, rest, rpc = server
    texts = ["a text", "another, which is longer", "one"]
    for version, label in ((1, "stable"), (2, "canary")):
        run = tf.saved_model.load(str(base / str(version))).signatures["serving_default"]
        expected = run(text=tf.constant(texts))["embedding"].numpy()

        def by_rest(text, label=label):
            request = urllib.request.Request(
                f"http://localhost:{rest}/v1/models/reviews/labels/{label}:predict",
                json.dumps({"instances": [text]}).encode(),
            )
            return json.load(urllib.request.urlopen(request))["predictions"][0]

        with ThreadPoolExecutor(3) as pool:  # Simultaneous requests, so that the server batches.
            np.testing.assert_allclose(list(pool.map(by_rest, texts)), expected, atol=1e-5)
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.version.value = "reviews", version
        request.inputs["text"].CopyFrom(tf.make_tensor_proto(texts))
        with grpc.insecure_channel(f"localhost:{rpc}") as channel:
            answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request)
        np.testing.assert_allclose(
            tf.make_ndarray(answer.outputs["embedding"]), expected, atol=1e-5
        )
