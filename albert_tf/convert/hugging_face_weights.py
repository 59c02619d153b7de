"""The weight files of Hugging Face folders: safetensors, whole or in parts, and PyTorch pickles."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np

from albert_tf.convert.source import Stored
from albert_tf.errors import InputError

_WHOLE, _PARTS = "model.safetensors", "model.safetensors.index.json"
_PICKLE = "pytorch_model.bin"
# The types that weights come in, by their names in a safetensors header.
_DTYPES = ("F32", "F16", "BF16", "F64")


def find_weights(folder: Path) -> Path | None:
    """Returns the file to read: safetensors before PyTorch's, None if there is none."""
    for name in (_WHOLE, _PARTS, _PICKLE):
        if (folder / name).is_file():
            return folder / name
    return None


def read_arrays(folder: Path) -> dict[str, Stored]:
    """Returns the arrays of a folder by name, each read when it is asked for.

    Raises:
      InputError: a file is damaged or missing, or only torch could read it and is not installed.
    """
    path = find_weights(folder)
    if path.name == _PICKLE:
        return _from_pickle(path)
    files = [path]
    if path.name == _PARTS:
        index = json.loads(path.read_text(encoding="utf-8"))
        files = [folder / name for name in sorted(set(index["weight_map"].values()))]
    return {name: array for file in files for name, array in _from_safetensors(file).items()}


def _from_safetensors(path: Path) -> dict[str, Stored]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return {
                name: Stored(
                    tuple(part.get_shape()),
                    functools.partial(_read, path, name, part.get_dtype()),
                )
                for name, part in slices.items()
            }
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"A safetensors file must be whole. Received '{path}', which cannot be read: {error}. "
            "Copy or download it again."
        ) from error


def _read(path: Path, name: str, dtype: str) -> np.ndarray:
    from safetensors import safe_open

    if dtype not in _DTYPES:
        raise InputError(
            f"Weights must be of a type in {_DTYPES}. Received {dtype} for {name!r} in "
            f"'{path}'. Save the model in float32."
        )
    with safe_open(path, framework="np") as file:
        return file.get_tensor(name)


def _from_pickle(path: Path) -> dict[str, Stored]:
    try:
        import torch
    except ImportError as error:
        raise InputError(
            f"{_PICKLE} can be read through torch only. Received '{path}', and torch is not "
            "installed. pip install albert-tf[torch], or save the model as safetensors."
        ) from error
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises whatever its archive reader or unpickler meets.
        raise InputError(
            f"{_PICKLE} must be a whole state dict of tensors. Received '{path}', which torch "
            f"cannot read: {error}. Download it again, or save the model as safetensors."
        ) from error
    return {
        name: Stored(tuple(tensor.shape), lambda tensor=tensor: tensor.float().numpy())
        for name, tensor in tensors.items()
    }
