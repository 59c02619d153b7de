"""Measures how much slower the first requests after the warmup of a served model are.

    python -m benchmarks.first_request MODEL

MODEL is an export with warmup records, as written by `albert-tf export encoder` and `export task`.
The program loads it and runs the records, as TensorFlow Serving does before a version receives
traffic. Then it sends requests with a batch size and a length that no record has: three rows of 100
tokens.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: E402
import tensorflow_text  # noqa: E402, F401 - its operations
from tensorflow_serving.apis import prediction_log_pb2  # noqa: E402

from albert_tf.export import warmup  # noqa: E402
from albert_tf.serving.signatures import TF1_HUB  # noqa: E402

ROWS, LENGTH, CALLS = 3, 100, 9


def seconds_of_calls(path: Path) -> dict[str, list[float]]:
    """Returns the seconds of each call, by signature."""
    module = tf.saved_model.load(str(path))
    for record in tf.data.TFRecordDataset(str(path / warmup.NAME)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        signature = module.signatures[request.model_spec.signature_name]
        signature(**{name: tf.constant(value) for name, value in inputs.items()})
    return {
        name: _times(module.signatures[name], inputs) for name, inputs in _requests(module).items()
    }


def _requests(module: Any) -> dict[str, dict[str, tf.Tensor]]:
    ids = tf.fill([ROWS, LENGTH], 9)
    tokens = dict(zip(TF1_HUB[:3], (ids, tf.ones_like(ids), tf.zeros_like(ids))))
    requests = {"tokens": tokens}
    if "text" in module.signatures["serving_default"].structured_input_signature[1]:
        requests["serving_default"] = {"text": tf.fill([ROWS], "word " * (LENGTH // 2))}
    return requests


def _times(function: Callable[..., Any], inputs: Mapping[str, tf.Tensor]) -> list[float]:
    seconds = []
    for _ in range(CALLS):
        begin = time.perf_counter()
        function(**inputs)
        seconds.append(time.perf_counter() - begin)
    return seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder of the export")
    print(json.dumps(seconds_of_calls(parser.parse_args().model)))
