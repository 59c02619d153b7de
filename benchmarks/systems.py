"""The systems compared in `benchmarks.inference`, each as its users run it, with default threads.

All systems except `QUANTISED` compute in float32.

A system is a function that loads the model from the folder written by `artefacts` and returns
`bind`. `bind` converts a batch to the tensors of its library and returns the call to time. The call
returns sequence output [B, S, H] and pooled output [B, H] once they are computed. Libraries are
imported inside the functions, because each system runs in its own process.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Batch = Mapping[str, np.ndarray]
Bind = Callable[[Batch], Callable[[], tuple[Any, Any]]]

OURS = "albert_tf"
INT8 = "albert_tf, LiteRT int8"
QUANTISED = (INT8,)  # their differences are reported but not limited
_HUGGING_FACE = dict(
    input_ids="input_ids", attention_mask="input_mask", token_type_ids="segment_ids"
)


def saved_model(folder: Path, padding: bool = False) -> Bind:
    """The export of `albert-tf export encoder`: its signature, or with `padding` its root call."""
    import tensorflow as tf

    module = tf.saved_model.load(str(folder / "hub"))

    def bind(batch: Batch) -> Callable[[], tuple[Any, Any]]:
        tensors = {name: tf.constant(value) for name, value in batch.items()}

        def call() -> tuple[Any, Any]:
            outputs = module(tensors) if padding else module.signatures["tokens"](**tensors)
            return outputs["sequence_output"], outputs["pooled_output"]

        return call

    return bind


def lite(folder: Path, name: str) -> Bind:
    """A LiteRT model, run row by row without padding; outputs at padding are zeros."""
    from ai_edge_litert.interpreter import Interpreter

    threads = len(os.sched_getaffinity(0))
    model = Interpreter(str(folder / name / "model.tflite"), num_threads=threads)
    run = model.get_signature_runner()

    def bind(batch: Batch) -> Callable[[], tuple[Any, Any]]:
        inputs = dict(zip(("input_word_ids", "input_mask", "input_type_ids"), batch.values()))
        lengths = inputs["input_mask"].sum(1)
        rows = [
            {name: value[i : i + 1, :length] for name, value in inputs.items()}
            for i, length in enumerate(lengths)
        ]

        def call() -> tuple[Any, Any]:
            outputs = [run(**row) for row in rows]
            pooled = np.concatenate([output["pooled_output"] for output in outputs])
            sequence = np.zeros([*inputs["input_mask"].shape, pooled.shape[-1]], np.float32)
            for i, (length, output) in enumerate(zip(lengths, outputs)):
                sequence[i, :length] = output["sequence_output"][0]
            return sequence, pooled

        return call

    return bind


def _model_garden(folder: Path, xla: bool) -> Bind:
    import tensorflow as tf

    module = tf.saved_model.load(str(folder / "model_garden"))

    @tf.function(autograph=False, jit_compile=xla or None)
    def run(inputs: list[tf.Tensor]) -> tuple[Any, Any]:
        outputs = module(inputs)
        return outputs["sequence_output"], outputs["pooled_output"]

    def bind(batch: Batch) -> Callable[[], tuple[Any, Any]]:
        return functools.partial(run, [tf.constant(value) for value in batch.values()])

    return bind


def _keras_hub(folder: Path, backend: str) -> Bind:
    os.environ["KERAS_BACKEND"] = backend
    import keras_hub

    model = keras_hub.models.AlbertBackbone.from_preset(str(folder / "keras_hub"))

    def bind(batch: Batch) -> Callable[[], tuple[Any, Any]]:
        inputs = dict(zip(("token_ids", "padding_mask", "segment_ids"), batch.values()))

        def call() -> tuple[Any, Any]:
            outputs = model.predict_on_batch(inputs)
            return outputs["sequence_output"], outputs["pooled_output"]

        return call

    return bind


def _transformers(folder: Path, compiled: bool) -> Bind:
    import torch
    from transformers import AlbertModel

    model = AlbertModel.from_pretrained(folder / "hugging_face").eval()
    run = torch.compile(model) if compiled else model

    def bind(batch: Batch) -> Callable[[], tuple[Any, Any]]:
        inputs = {n: torch.from_numpy(batch[ours]).long() for n, ours in _HUGGING_FACE.items()}

        def call() -> tuple[Any, Any]:
            with torch.inference_mode():
                outputs = run(**inputs)
            return outputs.last_hidden_state, outputs.pooler_output

        return call

    return bind


def _int64(batch: Batch) -> dict[str, np.ndarray]:
    return {name: batch[ours].astype(np.int64) for name, ours in _HUGGING_FACE.items()}


def _onnx_runtime(folder: Path) -> Bind:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    return lambda batch: functools.partial(session.run, ["sequence", "pooled"], _int64(batch))


def _openvino(folder: Path) -> Bind:
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    model = openvino.Core().compile_model(str(folder / "model.onnx"), "CPU", settings)

    def bind(batch: Batch) -> Callable[[], tuple[Any, Any]]:
        inputs = _int64(batch)

        def call() -> tuple[Any, Any]:
            outputs = model(inputs)
            return outputs["sequence"], outputs["pooled"]

        return call

    return bind


SYSTEMS: Mapping[str, Callable[[Path], Bind]] = {
    OURS: saved_model,
    "albert_tf, padding kept": functools.partial(saved_model, padding=True),
    INT8: functools.partial(lite, name="lite_int8"),
    "Model Garden": functools.partial(_model_garden, xla=False),
    "Model Garden, XLA": functools.partial(_model_garden, xla=True),
    "KerasHub on TensorFlow": functools.partial(_keras_hub, backend="tensorflow"),
    "KerasHub on JAX": functools.partial(_keras_hub, backend="jax"),
    "transformers": functools.partial(_transformers, compiled=False),
    "transformers, torch.compile": functools.partial(_transformers, compiled=True),
    "ONNX Runtime": _onnx_runtime,
    "OpenVINO": _openvino,
}
