"""Writes one model with random weights in the formats of all systems."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from albert_tf.config import AlbertConfig

if TYPE_CHECKING:
    from albert_tf import AlbertEncoder

PIECES = Path(__file__).parents[1] / "tests" / "testdata" / "tokenization" / "spm.model"


def tensorflow_formats(config: AlbertConfig, folder: Path) -> None:
    """Writes `checkpoint`, `hugging_face`, `keras_hub`, `hub`, `model_garden` and `lite_int8`.

    Args:
      config: config of the model.
      folder: the folder to write to.
    """
    from albert_tf.convert.conversion import convert
    from benchmarks import model_garden

    encoder = hub(config, folder)
    for to in ("hugging_face", "keras_hub"):
        convert(folder / "checkpoint", to, folder / to)
    model_garden.encoder(encoder, config).save(str(folder / "model_garden"), save_format="tf")
    lite(encoder, config, folder, "int8")


def hub(config: AlbertConfig, folder: Path) -> AlbertEncoder:
    """Writes only `checkpoint` and `hub`, and returns the encoder."""
    import tensorflow as tf

    from albert_tf import AlbertEncoder

    tf.keras.utils.set_random_seed(1)
    encoder = AlbertEncoder.from_albert_config(config, name="encoder")
    source = folder / "checkpoint"
    source.mkdir()
    tf.train.Checkpoint(encoder=encoder).save(str(source / "ckpt"))
    config.to_json_file(source / "albert_config.json")
    write_hub(encoder, config, folder)
    return encoder


def write_hub(encoder: AlbertEncoder, config: AlbertConfig, folder: Path) -> None:
    """Writes `hub`."""
    from albert_tf import AlbertTokenizer
    from albert_tf.export import hub_encoder
    from albert_tf.serving.shared_model import SharedModel

    tokenizer = AlbertTokenizer(PIECES)
    hub_encoder.write(SharedModel(encoder), config, tokenizer, folder / "hub", check=False)


def lite(encoder: AlbertEncoder, config: AlbertConfig, folder: Path, precision: str) -> None:
    """Writes `lite_PRECISION`, a LiteRT model for any sequence length."""
    from albert_tf import AlbertTokenizer
    from albert_tf.export import lite_model

    source = lite_model.of_encoder(encoder, config)
    lite_model.write(source, AlbertTokenizer(PIECES), folder / f"lite_{precision}", precision)


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
