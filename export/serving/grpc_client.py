"""Queries a TensorFlow Serving server over gRPC, using tensorflow-serving-api.

python grpc_client.py reviews "a fine film" "a waste of time"
"""

import argparse

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


def predict(
    channel: grpc.Channel, model: str, inputs: dict, signature: str = "serving_default"
) -> dict[str, np.ndarray]:
    """Returns the outputs by name.

    Args:
      channel: a channel to the gRPC port of the server.
      model: the name of the model.
      inputs: arrays by name.
      signature: the name of the signature.

    Raises:
      grpc.RpcError: the server rejected the request.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    outputs = service.Predict(request, timeout=60).outputs
    return {name: tf.make_ndarray(value) for name, value in outputs.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("text", nargs="+")
    parser.add_argument("--server", default="localhost:8500")
    args = parser.parse_args()
    with grpc.insecure_channel(args.server) as channel:
        print(predict(channel, args.model, {"text": args.text}))
