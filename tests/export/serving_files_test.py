"""The files for the server and the clients: they parse, and say what the server expects."""

import http.server
import importlib.util
import json
import threading
from pathlib import Path

import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

import albert_tf.export

FILES = Path(albert_tf.export.__file__).with_name("serving")


def test_models_have_two_versions_with_labels():
    config = text_format.Parse(
        (FILES / "models.config").read_text(), model_server_config_pb2.ModelServerConfig()
    )
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path) == ("reviews", "/models/reviews")
    assert list(model.model_version_policy.specific.versions) == [1, 2]
    assert dict(model.version_labels) == {"stable": 1, "canary": 2}


def test_allowed_batch_sizes_end_in_the_largest():
    lines = (FILES / "batching.config").read_text().splitlines()
    sizes = [int(line.split()[1]) for line in lines if line.startswith("allowed_batch_sizes")]
    assert sizes == sorted(sizes)
    assert f"max_batch_size {{ value: {sizes[-1]} }}" in lines


def test_both_deployments_start_the_server_alike():
    compose = yaml.safe_load((FILES / "docker-compose.yaml").read_text())
    deployment, service = yaml.safe_load_all((FILES / "kubernetes.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    serving = compose["services"]["serving"]
    assert serving["image"] == container["image"]
    assert set(container["args"]) <= set(serving["command"])
    for argument in container["args"]:
        if "=/config/" in argument:
            assert (FILES / argument.rpartition("/")[2]).is_file()
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {port["name"]: port["port"] for port in service["spec"]["ports"]}
    assert {f"{port}:{port}" for port in ports.values()} == set(serving["ports"])


class Server(http.server.BaseHTTPRequestHandler):
    """Answers as TensorFlow Serving does: outputs in column form, errors with their own status."""

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = self.path == "/v1/models/reviews:predict"
        answer = {"outputs": request} if found else {"error": "Servable not found"}
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *args):
        pass


def test_the_rest_client_asks_in_column_form_and_tells_errors():
    spec = importlib.util.spec_from_file_location("rest_client", FILES / "rest_client.py")
    client = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(client)
    with http.server.HTTPServer(("localhost", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"localhost:{server.server_port}"
        answer = client.predict(address, "reviews", {"text": ["a", "b"]})
        assert answer == {"signature_name": "serving_default", "inputs": {"text": ["a", "b"]}}
        with pytest.raises(RuntimeError, match="Servable not found"):
            client.predict(address, "other", {})
        server.shutdown()
