"""A fake TensorFlow Serving server, which serves loaded models over REST and gRPC.

It imitates what clients see: paths, row and column format, base64, names of outputs, and errors.
`models` has loaded models by name, and where there are versions also by "NAME/versions/1" and
"NAME/labels/stable". `model_server.py` makes such a dict from a models.config.
"""

import base64
import contextlib
import http.server
import json
import re
import threading
from concurrent import futures

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

PATH = re.compile(
    r"/v1/models/(?P<name>[\w.-]+)(?P<which>/versions/\d+|/labels/[\w.-]+)?(?P<verb>:\w+|/\w+)?$"
)


class Refused(Exception):
    """An error that the server returns: a gRPC status and a message."""


def answer(models, model, signature, inputs):
    """Returns the outputs of a signature by name."""
    if model not in models:
        raise Refused(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({model})")
    run = models[model].signatures[signature or "serving_default"]
    specs = run.structured_input_signature[1]
    values = inputs(specs)
    if set(values) != set(specs):
        message = f"Inputs must be {sorted(specs)}, received {sorted(values)}"
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message)
    try:
        tensors = {name: tf.constant(value, specs[name].dtype) for name, value in values.items()}
        return {name: value.numpy() for name, value in run(**tensors).items()}
    except tf.errors.InvalidArgumentError as error:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error


def of_json(request):
    """Returns a function that reads the inputs of a request in row or column format."""

    def inputs(specs):
        if not specs:
            message = f"Failed to get input map for signature: {request.get('signature_name')}"
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message)
        columns = _decoded(request.get("inputs"))
        if columns is None:
            rows = _decoded(request["instances"])
            rows = [row if isinstance(row, dict) else dict.fromkeys(specs, row) for row in rows]
            columns = {name: [row[name] for row in rows] for name in rows[0]}
        return columns if isinstance(columns, dict) else dict.fromkeys(specs, columns)

    return inputs


def _decoded(value):
    """Returns a JSON value with bytes in place of each {"b64": TEXT}."""
    if isinstance(value, list):
        return [_decoded(entry) for entry in value]
    if isinstance(value, dict):
        if set(value) == {"b64"}:
            return base64.b64decode(value["b64"], validate=True)
        return {name: _decoded(entry) for name, entry in value.items()}
    return value


def to_json(outputs, in_rows):
    """Returns the body of a response; it omits the name of a single output."""
    texts = {
        k: np.char.decode(v.astype("S")) if v.dtype == object else v for k, v in outputs.items()
    }
    columns = {name: value.tolist() for name, value in texts.items()}
    if not in_rows:
        return {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}
    if len({len(column) for column in columns.values()}) > 1:
        message = f"Tensors {sorted(columns)} have inconsistent batch sizes"
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message)
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    return {"predictions": rows if len(columns) > 1 else next(iter(columns.values()))}


class Rest(http.server.BaseHTTPRequestHandler):
    models = {}

    def do_GET(self):
        match = PATH.match(self.path)
        model = self.models.get(match["name"] + (match["which"] or ""))
        if model is None:
            self._send(404, {"error": f"Could not find any versions of model {match['name']}"})
            return
        prefix = f"{match['name']}/versions/"
        versions = [
            key.removeprefix(prefix)
            for key, loaded in self.models.items()
            if key.startswith(prefix) and (match["which"] is None or loaded is model)
        ]
        states = [{"version": version, "state": "AVAILABLE"} for version in versions or ["1"]]
        signatures = {"signature_def": list(model.signatures)}
        metadata = {"model_spec": {"name": match["name"]}, "metadata": signatures}
        self._send(200, metadata if match["verb"] else {"model_version_status": states})

    def do_POST(self):
        match = PATH.match(self.path)
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            outputs = answer(
                self.models,
                match["name"] + (match["which"] or ""),
                request.get("signature_name"),
                of_json(request),
            )
            self._send(200, to_json(outputs, "instances" in request))
        except Refused as error:
            status, message = error.args
            self._send(404 if status == grpc.StatusCode.NOT_FOUND else 400, {"error": message})

    def _send(self, status, body):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode() + b"\n")

    def log_message(self, *args):
        pass


class Rpc(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models):
        self._models = models

    def Predict(self, request, context):
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        spec, model = request.model_spec, request.model_spec.name
        if spec.WhichOneof("version_choice") == "version":
            model += f"/versions/{spec.version.value}"
        elif spec.version_label:
            model += f"/labels/{spec.version_label}"
        try:
            outputs = answer(self._models, model, spec.signature_name, lambda _: inputs)
        except Refused as error:
            context.abort(*error.args)
        protos = {name: tf.make_tensor_proto(value) for name, value in outputs.items()}
        return predict_pb2.PredictResponse(outputs=protos)


@contextlib.contextmanager
def serving(models, rest_port=0, grpc_port=0):
    """Serves models by name, on any free port by default; yields the REST and gRPC addresses."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Rpc(models), server)
    port = server.add_insecure_port(f"localhost:{grpc_port}")
    server.start()
    handler = type("Handler", (Rest,), {"models": models})
    with http.server.ThreadingHTTPServer(("localhost", rest_port), handler) as rest:
        threading.Thread(target=rest.serve_forever, daemon=True).start()
        yield f"localhost:{rest.server_port}", f"localhost:{port}"
        rest.shutdown()
    server.stop(None).wait()
