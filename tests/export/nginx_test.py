"""nginx runs with export/serving/nginx.conf before a stand-in for the server."""

import contextlib
import http.client
import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from concurrent import futures
from pathlib import Path

import grpc
import pytest

import albert_tf.export

FILES = Path(albert_tf.export.__file__).with_name("serving")
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_nginx = pytest.mark.skipif(
    NGINX is None, reason="nginx is not installed: apt-get install nginx-light"
)
PREDICT = "/v1/models/reviews:predict"
LIMIT = 4 << 20  # bytes


class StandIn(http.server.BaseHTTPRequestHandler):
    """Answers with what it received, and with a status for the names of models with one."""

    states = {"/v1/models/new": "LOADING", "/v1/models/old": "END", "/v1/models/up": "AVAILABLE"}

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = {"method": self.command, "path": self.path, "length": len(body)}
        if state := self.states.get(self.path):
            answer = {"model_version_status": [{"version": "1", "state": state}]}
        text = json.dumps(answer, indent=1).encode()
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *arguments):
        pass


class Echo(grpc.GenericRpcHandler):
    """Answers every gRPC method with the length of its request."""

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: f"{details.method} {len(request)}".encode()
        )


@contextlib.contextmanager
def standing_in():
    """Yields the ports of REST and gRPC servers."""
    rest = http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    unlimited = [("grpc.max_receive_message_length", -1)]
    rpc = grpc.server(futures.ThreadPoolExecutor(2), [Echo()], options=unlimited)
    port = rpc.add_insecure_port("127.0.0.1:0")
    rpc.start()
    try:
        yield rest.server_port, port
    finally:
        rpc.stop(None)
        rest.shutdown()
        rest.server_close()


@pytest.fixture(scope="module")
def upstream():
    with standing_in() as ports:
        yield ports


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


@pytest.fixture
def nginx(upstream, tmp_path):
    """REST and gRPC ports of a new nginx, whose counts of requests are zero."""
    text, ports = (FILES / "nginx.conf").read_text(), (free_port(), free_port())
    changes = {
        "serving:8501": f"127.0.0.1:{upstream[0]}",
        "serving:8500": f"127.0.0.1:{upstream[1]}",
        "listen 8080": f"listen 127.0.0.1:{ports[0]}",
        "listen 8090": f"listen 127.0.0.1:{ports[1]}",
        " /tmp/": f" {tmp_path}/",
    }
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    tmp_path.chmod(0o755)
    (tmp_path / "nginx.conf").write_text(text)
    command = [NGINX, "-c", tmp_path / "nginx.conf", "-g", "daemon off; user root;"]
    if os.getuid():
        command[-1] = "daemon off;"
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for port in ports:
            wait_for(port)
        yield ports
    finally:
        process.terminate()
        process.wait()


def ask(port, method, path, body=None):
    """The status of a request, and the answer if it comes from the stand-in."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if response.status == 200 else None
    finally:
        connection.close()


@needs_nginx
def test_predictions_status_and_metadata_reach_the_server(nginx):
    for name in ("reviews", "my.model-2", "reviews/versions/12", "reviews/labels/stable"):
        path = f"/v1/models/{name}"
        for method, target, body in [
            ("POST", f"{path}:predict", b'{"instances": ["a"]}'),
            ("GET", path, None),
            ("GET", f"{path}/metadata", None),
        ]:
            status, answer = ask(nginx[0], method, target, body)
            assert status == 200
            assert answer == {"method": method, "path": target, "length": len(body or b"")}


@needs_nginx
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/models", 404),
        ("GET", "/monitoring/prometheus/metrics", 404),
        ("POST", "/v1/models/reviews:classify", 404),
        ("POST", "/v1/models/reviews/versions/latest:predict", 404),
        ("POST", "/v1/models/../../../etc:predict", 400),
        ("POST", "/v1/models/a%2Fb:predict", 404),
        ("POST", "/v1/models/reviews:predict%0d%0aX-Other:%20a", 404),
        ("GET", PREDICT, 403),
        ("PUT", PREDICT, 403),
        ("DELETE", "/v1/models/reviews", 403),
        ("POST", "/v1/models/reviews", 403),
    ],
)
def test_other_paths_and_methods_do_not_reach_the_server(nginx, method, path, status):
    assert ask(nginx[0], method, path) == (status, None)


@needs_nginx
def test_paths_reach_the_server_in_their_normal_form_without_queries(nginx):
    for path in (
        "/monitoring/../v1/./models/reviews%3Apredict?next=/monitoring",
        "/v1/models/other%2F..%2Freviews:predict",
    ):
        assert ask(nginx[0], "POST", path, b"{}")[1]["path"] == PREDICT


@needs_nginx
def test_bodies_above_the_limit_are_rejected(nginx):
    assert ask(nginx[0], "POST", PREDICT, b"x" * LIMIT)[1]["length"] == LIMIT
    assert ask(nginx[0], "POST", PREDICT, b"x" * (LIMIT + 1)) == (413, None)
    # A body in chunks does not announce its length.
    connection = http.client.HTTPConnection("127.0.0.1", nginx[0], timeout=20)
    chunks = iter([b"x" * LIMIT, b"x"])
    with contextlib.suppress(ConnectionError):  # nginx may answer before the last chunk.
        connection.request("POST", PREDICT, chunks, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


@needs_nginx
def test_requests_above_the_rate_are_rejected(nginx):
    connection = http.client.HTTPConnection("127.0.0.1", nginx[0], timeout=20)
    statuses = []
    for _ in range(400):
        connection.request("GET", "/v1/models/reviews")
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()
    assert set(statuses) == {200, 429} and statuses[:100] == [200] * 100


@needs_nginx
@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["127.0.0.2", "127.0.0.3"]])
def test_requests_at_a_time_above_the_limits_are_rejected(nginx, addresses):
    """One address may have 32, and all 64; these wait for the rest of their bodies."""
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        for address in addresses * 40:  # more than the limits, in case one is slow
            held = socket.create_connection(("127.0.0.1", nginx[0]), source_address=(address, 0))
            stack.enter_context(held).sendall(head)
        deadline = time.monotonic() + 15
        while (status := ask(nginx[0], "GET", "/v1/models/reviews")[0]) == 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert status == 429


@needs_nginx
def test_grpc_passes_predictions_of_limited_size_and_no_change_of_models(nginx):
    def call(method, size=3):
        with grpc.insecure_channel(f"127.0.0.1:{nginx[1]}") as channel:
            return channel.unary_unary(f"/tensorflow.serving.{method}")(b"x" * size, timeout=20)

    for method in (
        "PredictionService/Predict",
        "PredictionService/GetModelMetadata",
        "ModelService/GetModelStatus",
    ):
        assert call(method) == f"/tensorflow.serving.{method} 3".encode()
    for method in ("ModelService/HandleReloadConfigRequest", "PredictionService/Classify"):
        with pytest.raises(grpc.RpcError) as error:
            call(method)
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED  # HTTP 404
    frame = 5  # bytes before the message
    fits = call("PredictionService/Predict", LIMIT - frame)
    assert fits.endswith(f" {LIMIT - frame}".encode())
    with pytest.raises(grpc.RpcError):
        call("PredictionService/Predict", LIMIT - frame + 1)


@pytest.mark.parametrize(
    ("model", "healthy"), [("up", True), ("new", False), ("old", False), ("missing", False)]
)
def test_the_health_check_succeeds_for_available_models_only(upstream, model, healthy):
    command = ["bash", FILES / "status.sh", model, str(upstream[0])]
    finished = subprocess.run(command, capture_output=True, timeout=20)
    assert (finished.returncode == 0) is healthy


def test_the_health_check_fails_without_a_server():
    command = ["bash", FILES / "status.sh", "up", str(free_port())]
    assert subprocess.run(command, capture_output=True, timeout=20).returncode != 0
