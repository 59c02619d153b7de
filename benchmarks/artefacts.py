"""Writes one model in the formats of all systems."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from albert_tf.config import AlbertConfig
from benchmarks import systems, traffic, worker

if TYPE_CHECKING:
    from albert_tf import AlbertEncoder

PIECES = Path(__file__).parents[1] / "tests" / "testdata" / "tokenization" / "spm.model"
LENGTH = 128  # the only length that `lite_static` supports
CALIBRATION_ROWS = 32


def tensorflow_formats(
    config: AlbertConfig, folder: Path, formats: Sequence[str], source: str | None = None
) -> None:
    """Writes `checkpoint`, `hub` and `formats`.

    Args:
      config: config of the model.
      folder: the folder to write to.
      formats: of `hugging_face`, `keras_hub`, `model_garden`, `lite_int8` and `lite_static`.
      source: a model in any format with that config; None for random weights.
    """
    from albert_tf.convert.conversion import convert
    from benchmarks import model_garden

    encoder = hub(config, folder, source)
    for to in formats:
        if to == "model_garden":
            model_garden.encoder(encoder, config).save(str(folder / to), save_format="tf")
        elif to == "lite_int8":
            lite(encoder, config, folder, "int8")
        elif to == "lite_static":
            lite_static(encoder, config, folder)
        else:
            convert(folder / "checkpoint", to, folder / to)


def hub(config: AlbertConfig, folder: Path, source: str | None = None) -> AlbertEncoder:
    """Writes only `checkpoint` and `hub`, and returns the encoder; see `tensorflow_formats`."""
    import tensorflow as tf
    import tf_keras

    from albert_tf import AlbertEncoder, AlbertTokenizer
    from albert_tf.export import hub_encoder
    from albert_tf.serving.shared_model import SharedModel

    tf_keras.utils.set_random_seed(1)
    if source is None:
        encoder = AlbertEncoder.from_albert_config(config, name="encoder")
    else:
        encoder = AlbertEncoder.from_pretrained(source)
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir()
    tf.train.Checkpoint(encoder=encoder).save(str(checkpoint / "ckpt"))
    config.to_json_file(checkpoint / "albert_config.json")
    tokenizer = AlbertTokenizer(PIECES)
    hub_encoder.write(SharedModel(encoder), config, tokenizer, folder / "hub", check=False)
    return encoder


def hub_reduced(folder: Path, precision: str) -> None:
    """Writes `hub_PRECISION` from the folder `checkpoint`; the precision is int8 or bfloat16."""
    from albert_tf.export import hub_encoder

    source, to = folder / "checkpoint", folder / f"hub_{precision}"
    hub_encoder.export(source, to, vocab=PIECES, check=False, precision=precision)


hub_int8 = functools.partial(hub_reduced, precision="int8")
hub_bfloat16 = functools.partial(hub_reduced, precision="bfloat16")


def lite(encoder: AlbertEncoder, config: AlbertConfig, folder: Path, precision: str) -> None:
    """Writes `lite_PRECISION`, a LiteRT model for any sequence length."""
    from albert_tf import AlbertTokenizer
    from albert_tf.export import lite_model

    source = lite_model.of_encoder(encoder, config)
    lite_model.write(source, AlbertTokenizer(PIECES), folder / f"lite_{precision}", precision)


def lite_static(encoder: AlbertEncoder, config: AlbertConfig, folder: Path) -> None:
    """Writes `lite_static`, a LiteRT model that fixes the ranges of activations in advance."""
    import tensorflow as tf

    from albert_tf.export import lite_model

    def examples() -> Iterator[list[np.ndarray]]:
        return ([x[np.newaxis] for x in row] for row in zip(*_calibration(config).values()))

    converter = lite_model.converter(lite_model.of_encoder(encoder, config), LENGTH)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = examples
    (folder / "lite_static").mkdir()
    (folder / "lite_static" / lite_model.NAME).write_bytes(converter.convert())


def _calibration(config: AlbertConfig) -> dict[str, np.ndarray]:
    """Returns full rows, other than those that are measured."""
    return traffic.batch(traffic.Shape(CALIBRATION_ROWS, LENGTH), config.vocab_size, seed=1)


# === Formats of other libraries ===
def onnx(folder: Path) -> None:
    """Writes `model.onnx` from the folder `hugging_face`, for any batch size and length."""
    import torch
    from transformers import AlbertModel

    names = ["input_ids", "attention_mask", "token_type_ids"]
    model = AlbertModel.from_pretrained(folder / "hugging_face", attn_implementation="eager").eval()
    axes = {name: {0: "batch", 1: "length"} for name in (*names, "sequence")}
    example = tuple(torch.ones([2, 7], dtype=torch.int64) for _ in names)
    torch.onnx.export(
        _Outputs(model),
        example,
        str(folder / "model.onnx"),
        input_names=names,
        output_names=["sequence", "pooled"],
        dynamic_axes={**axes, "pooled": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )


def _Outputs(model):  # noqa: ANN001, ANN202, N802
    import torch

    class Outputs(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids, mask, types):  # noqa: ANN001, ANN202
            outputs = self.model(input_ids=ids, attention_mask=mask, token_type_ids=types)
            return outputs.last_hidden_state, outputs.pooler_output

    return Outputs()


def onnx_int8(folder: Path) -> None:
    """Writes `model_int8.onnx` and `model_int8_reduced.onnx` from `model.onnx`."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    # Without this step, only the first layer is quantised: the others use copies of its weights.
    prepared = folder / "model_prepared.onnx"
    quant_pre_process(
        folder / "model.onnx", prepared, skip_symbolic_shape=True, skip_onnx_shape=True
    )
    quantization.quantize_dynamic(prepared, folder / "model_int8.onnx")
    quantization.quantize_dynamic(prepared, folder / "model_int8_reduced.onnx", reduce_range=True)


def openvino_weights(folder: Path) -> None:
    """Writes `int8_weights.xml` from `model.onnx`."""
    import nncf
    import openvino

    model = openvino.Core().read_model(folder / "model.onnx")
    compressed = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM)
    openvino.save_model(compressed, folder / "int8_weights.xml", compress_to_fp16=False)


def openvino_int8(folder: Path) -> None:
    """Writes `int8.xml`, with int8 activations too, from `model.onnx`."""
    import nncf
    import openvino

    config = AlbertConfig.from_json_file(folder / "checkpoint" / "albert_config.json")
    rows = [
        {name: value[i : i + 1] for name, value in systems.int64(_calibration(config)).items()}
        for i in range(CALIBRATION_ROWS)
    ]
    model = openvino.Core().read_model(folder / "model.onnx")
    quantised = nncf.quantize(
        model,
        nncf.Dataset(rows),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=CALIBRATION_ROWS,
    )
    openvino.save_model(quantised, folder / "int8.xml", compress_to_fp16=False)


_ORT = {"ONNX Runtime, int8", "ONNX Runtime, int8, reduced range"}
_WEIGHTS, _FULL = {"OpenVINO, int8 weights"}, {"OpenVINO, int8"}
# Each with the systems that read what it writes, in order of execution.
WRITERS = {
    hub_int8: {systems.INT8},
    hub_bfloat16: {systems.BFLOAT16},
    onnx: {"ONNX Runtime", "OpenVINO", *_ORT, *_WEIGHTS, *_FULL},
    onnx_int8: _ORT,
    openvino_weights: _WEIGHTS,
    openvino_int8: _FULL,
}


def write_for(names: Collection[str], folder: Path) -> dict[str, str]:
    """Writes what these systems read besides `tensorflow_formats`.

    Returns:
      The systems that cannot run, because a library cannot write their format, and the reasons.
    """
    failed: dict[str, str] = {}
    for write, readers in WRITERS.items():
        wanted = [name for name in names if name in readers and name not in failed]
        if wanted:
            reason = worker.failure(
                ", ".join(wanted), lambda write=write: worker.in_process(write, folder)
            )
            failed |= {name: reason for name in wanted if reason}
    return failed
