"""The systems compared in `benchmarks.inference`, each as its users run it, with default threads.

`FLOAT32` compute in float32, `QUANTISED` have int8 or bfloat16 weights.

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
INT8 = "albert_tf, int8"
BFLOAT16 = "albert_tf, bfloat16"
LITE_INT8 = "albert_tf, LiteRT int8"
LITE_STATIC = "LiteRT int8, static ranges"
_HUGGING_FACE = dict(
    input_ids="input_ids", attention_mask="input_mask", token_type_ids="segment_ids"
)


def saved_model(folder: Path, name: str = "hub", padding: bool = False) -> Bind:
    """An export of `albert-tf export encoder`: its signature, or with `padding` its root call."""
    import tensorflow as tf

    module = tf.saved_model.load(str(folder / name))

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
    fixed = model.get_input_details()[0]["shape_signature"][-1]  # -1: any length

    def bind(batch: Batch) -> Callable[[], tuple[Any, Any]]:
        inputs = dict(zip(("input_word_ids", "input_mask", "input_type_ids"), batch.values()))
        lengths = inputs["input_mask"].sum(1)
        if fixed != -1 and (lengths != fixed).any():
            raise ValueError(f"this model is for rows of {fixed} tokens")
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


def _transformers(folder: Path, compiled: bool = False, int8: bool = False) -> Bind:
    import torch
    from transformers import AlbertModel

    model = AlbertModel.from_pretrained(folder / "hugging_face").eval()
    if int8:
        model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, torch.qint8)
    run = torch.compile(model) if compiled else model

    def bind(batch: Batch) -> Callable[[], tuple[Any, Any]]:
        inputs = {n: torch.from_numpy(batch[ours]).long() for n, ours in _HUGGING_FACE.items()}

        def call() -> tuple[Any, Any]:
            with torch.inference_mode():
                outputs = run(**inputs)
            return outputs.last_hidden_state, outputs.pooler_output

        return call

    return bind


def int64(batch: Batch) -> dict[str, np.ndarray]:
    """Returns a batch with the names and the type that transformers uses."""
    return {name: batch[ours].astype(np.int64) for name, ours in _HUGGING_FACE.items()}


def _onnx_runtime(folder: Path, name: str = "model.onnx") -> Bind:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(
        str(folder / name), options, providers=["CPUExecutionProvider"]
    )
    return lambda batch: functools.partial(session.run, ["sequence", "pooled"], int64(batch))


def _openvino(folder: Path, name: str = "model.onnx") -> Bind:
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    model = openvino.Core().compile_model(str(folder / name), "CPU", settings)

    def bind(batch: Batch) -> Callable[[], tuple[Any, Any]]:
        inputs = int64(batch)

        def call() -> tuple[Any, Any]:
            outputs = model(inputs)
            return outputs["sequence"], outputs["pooled"]

        return call

    return bind


FLOAT32: Mapping[str, Callable[[Path], Bind]] = {
    OURS: saved_model,
    "albert_tf, padding kept": functools.partial(saved_model, padding=True),
    "Model Garden": functools.partial(_model_garden, xla=False),
    "Model Garden, XLA": functools.partial(_model_garden, xla=True),
    "KerasHub on TensorFlow": functools.partial(_keras_hub, backend="tensorflow"),
    "KerasHub on JAX": functools.partial(_keras_hub, backend="jax"),
    "transformers": _transformers,
    "transformers, torch.compile": functools.partial(_transformers, compiled=True),
    "ONNX Runtime": _onnx_runtime,
    "OpenVINO": _openvino,
}
QUANTISED: Mapping[str, Callable[[Path], Bind]] = {
    INT8: functools.partial(saved_model, name="hub_int8"),
    BFLOAT16: functools.partial(saved_model, name="hub_bfloat16"),
    LITE_INT8: functools.partial(lite, name="lite_int8"),
    LITE_STATIC: functools.partial(lite, name="lite_static"),
    "ONNX Runtime, int8": functools.partial(_onnx_runtime, name="model_int8.onnx"),
    "ONNX Runtime, int8, reduced range": functools.partial(
        _onnx_runtime, name="model_int8_reduced.onnx"
    ),
    "OpenVINO, int8 weights": functools.partial(_openvino, name="int8_weights.xml"),
    "OpenVINO, int8": functools.partial(_openvino, name="int8.xml"),
    "transformers, int8": functools.partial(_transformers, int8=True),
}
SYSTEMS = {**FLOAT32, **QUANTISED}
