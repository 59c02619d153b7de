"""The Dense modules of sentence-transformers: a folder with config.json and model.safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from albert_tf.embedding_settings import Dense
from albert_tf.errors import InputError
from albert_tf.files import read_json
from albert_tf.formats.source import Stored
from albert_tf.formats.weight_files import find_weights, read_arrays

# Our names of the activations of dense layers by their classes in torch.
_ACTIVATIONS = {"Tanh": "tanh", "Identity": "linear", "ReLU": "relu", "GELU": "gelu_erf"}
_CLASSES = {ours: f"torch.nn.modules.activation.{name}" for name, ours in _ACTIVATIONS.items()}
_CLASSES["linear"] = "torch.nn.modules.linear.Identity"
_KEYS = ("in_features", "out_features", "bias", "activation_function", "use_residual")
_PLACES = ("module_input_name", "module_output_name")
_VECTOR = "sentence_embedding"


class DenseModule(NamedTuple):
    """A dense layer in a folder.

    Attributes:
      inputs: the number of its inputs.
      layer: its other settings.
      stored: its weights, `linear.weight` and `linear.bias`.
    """

    inputs: int
    layer: Dense
    stored: Mapping[str, Stored]


def write(width: int, layer: Dense, arrays: Mapping[str, np.ndarray], folder: Path) -> None:
    """Writes a dense layer with `width` inputs into a new folder.

    Raises:
      InputError: sentence-transformers cannot store its activation.
    """
    from safetensors.numpy import save_file

    if layer.activation not in _CLASSES:
        raise InputError(
            f"A dense layer must have an activation that sentence-transformers stores: "
            f"{', '.join(_CLASSES)}. Received {layer.activation!r}. Convert to checkpoint."
        )
    values = (width, layer.units, layer.use_bias, _CLASSES[layer.activation])
    content = json.dumps(dict(zip(_KEYS, values)), indent=2) + "\n"
    folder.mkdir()
    (folder / "config.json").write_text(content, encoding="utf-8")
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    save_file(arrays, folder / "model.safetensors", metadata={"format": "pt"})


def read(folder: Path) -> DenseModule:
    """Reads a Dense module; its weights are read when they are accessed.

    Raises:
      InputError: a file is damaged or missing, or has a setting that is not supported.
    """
    file = folder / "config.json"
    values = read_json(file, "A Dense module")
    unknown = [key for key in values if key not in (*_KEYS, *_PLACES)]
    if unknown or values.get("use_residual"):
        key = unknown[0] if unknown else "use_residual"
        raise InputError(
            "A Dense module must have only known keys and no residual, as another may change the "
            f"vectors. Received {key!r:.80} in '{file}'. Known are {', '.join(_KEYS[:4])}."
        )
    check_places(folder)
    sizes = values.get("in_features"), values.get("out_features")
    bias = values.get("bias", True)
    if not all(type(size) is int and size > 0 for size in sizes) or type(bias) is not bool:
        raise InputError(
            "A Dense module must have whole numbers as in_features and out_features, and true or "
            f"false as bias. Received {sizes[0]!r:.40}, {sizes[1]!r:.40} and {bias!r:.40} in "
            f"'{file}'. Download it again."
        )
    name = values.get("activation_function", "torch.nn.modules.activation.Tanh")
    package, _, kind = str(name).rpartition(".")
    if package.partition(".")[0] != "torch" or kind not in _ACTIVATIONS:
        raise InputError(
            f"Unknown activation_function of a Dense module. Received {name!r:.80} in '{file}'. "
            f"Supported are those of torch.nn named {', '.join(_ACTIVATIONS)}."
        )
    if find_weights(folder) is None:
        raise InputError(
            "A Dense module must have its weights, in model.safetensors or pytorch_model.bin. "
            f"Received '{folder}' without such a file. Download it again."
        )
    layer = Dense(sizes[1], _ACTIVATIONS[kind], bias)
    return DenseModule(sizes[0], layer, read_arrays(folder).stored)


def check_places(folder: Path) -> None:
    """Raises `InputError` if a module reads or writes anything but the vector of a text."""
    file = folder / "config.json"
    values = read_json(file, "A module") if file.is_file() else {}
    for name in _PLACES:
        if values.get(name) not in (None, _VECTOR):
            raise InputError(
                f"{name} must be {_VECTOR}, as modules work on vectors of texts. Received "
                f"{values[name]!r:.80} in '{file}'. Others are not supported yet."
            )
