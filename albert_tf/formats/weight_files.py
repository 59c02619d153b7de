"""The weight files of Hugging Face folders: safetensors, PyTorch pickles, and HDF5.

Weights in pytorch_model.bin can be read if torch is installed. Pickles are loaded with
`weights_only`, so they cannot run code. tf_model.h5 has the weights of the TFAlbert classes, which
transformers 5 no longer has.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from albert_tf.errors import InputError
from albert_tf.files import read_json
from albert_tf.formats import hdf5
from albert_tf.formats.source import Stored

_WHOLE, _PARTS = "model.safetensors", "model.safetensors.index.json"
_PICKLE, _TENSORFLOW = "pytorch_model.bin", "tf_model.h5"
# The supported types of weights, as named in a safetensors header.
_DTYPES = ("F32", "F16", "BF16", "F64")


class Arrays(NamedTuple):
    """The arrays of a folder.

    Attributes:
      stored: arrays by their names in safetensors files; each is read only when accessed.
      skipped: the number of arrays that are not weights, by kind.
      architecture: the class that the file says it was written by, in lower case.
    """

    stored: dict[str, Stored]
    skipped: Mapping[str, int] = {}
    architecture: str | None = None


def find_weights(folder: Path) -> Path | None:
    """Returns the weights file to read, safetensors first and HDF5 last; None if there is none."""
    return next(iter(_weights_files(folder)), None)


def _weights_files(folder: Path) -> list[Path]:
    names = (_WHOLE, _PARTS, _PICKLE, _TENSORFLOW)
    return [folder / name for name in names if (folder / name).is_file()]


def notes_on_files(folder: Path) -> list[str]:
    """Returns a note if there are files besides the one that is read."""
    first, *others = (path.name for path in _weights_files(folder))
    return [f"weights are read from {first}; {', '.join(others)} is ignored"] if others else []


def read_arrays(folder: Path) -> Arrays:
    """Returns the arrays of a folder.

    Raises:
      InputError: a file is damaged or missing, or it requires torch, which is not installed.
    """
    path = find_weights(folder)
    if path.name == _PICKLE:
        return Arrays(_from_pickle(path))
    if path.name == _TENSORFLOW:
        return _from_tensorflow(path)
    files = [path]
    if path.name == _PARTS:
        files = _parts(path)
    return Arrays({name: a for file in files for name, a in _from_safetensors(file).items()})


def _parts(index: Path) -> list[Path]:
    """Returns the files that an index names, which must be in its folder."""
    names = read_json(index, "An index of weight files").get("weight_map")
    names = list(names.values()) if isinstance(names, dict) and names else [None]
    for name in names:
        # A FIFO would never end, and other folders are not part of the model.
        if type(name) is not str or name != Path(name).name or not (index.parent / name).is_file():
            raise InputError(
                "weight_map must give the name of a file in the same folder for each weight. "
                f"Received {name!r:.200} in '{index}'. Copy or download it again."
            )
    return [index.parent / name for name in sorted(set(names))]


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
            f"A safetensors file must be complete. Received '{path}', which cannot be read: "
            f"{error}. Copy or download it again."
        ) from error


def _read(path: Path, name: str, dtype: str) -> np.ndarray:
    from safetensors import safe_open

    if dtype not in _DTYPES:
        raise InputError(
            f"Weights must have one of the types {_DTYPES}. Received {dtype} for {name!r} in "
            f"'{path}'. Save the model in float32."
        )
    with safe_open(path, framework="np") as file:
        return file.get_tensor(name)


def _from_pickle(path: Path) -> dict[str, Stored]:
    try:
        import torch
    except ImportError as error:
        raise InputError(
            f"Only torch can read {_PICKLE}. Received '{path}', and torch is not installed. Run "
            "`pip install albert-tf[torch]`, or save the model as safetensors."
        ) from error
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        if not all(isinstance(tensor, torch.Tensor) for tensor in dict(tensors).values()):
            raise ValueError("it has values that are no tensors")
    except Exception as error:  # torch passes on any error of its archive reader or unpickler.
        raise InputError(
            f"{_PICKLE} must be a complete state dict of tensors. Received '{path}', which torch "
            f"cannot read: {error}. Download it again, or save the model as safetensors."
        ) from error
    return {
        name: Stored(tuple(tensor.shape), lambda tensor=tensor: tensor.float().numpy())
        for name, tensor in tensors.items()
    }


# The names of the weights of Keras layers, in tf_model.h5 and in the other files.
_OF_KERAS = {"kernel": "weight", "embeddings": "weight", "gamma": "weight", "beta": "bias"}


def _from_tensorflow(path: Path) -> Arrays:
    """Returns the arrays of a tf_model.h5 under the names that PyTorch gives them.

    A dataset is LAYER/MODEL/NAME:0, where MODEL is the name of the Keras model and NAME contains
    the layer again. The layer of the masked-LM head stores the embeddings a second time.
    """
    stored: dict[str, Stored] = {}
    copies, models = 0, set()
    for key, array in hdf5.read_arrays(path).items():
        model, name = ["", "", *key.removesuffix(":0").split("/", 2)][-2:]
        models.add(model)
        *parts, kind = name.split("/")
        name = ".".join([*parts, _OF_KERAS.get(kind, kind)]).replace("_._", ".")
        if kind == "kernel":
            array = Stored(array.shape[::-1], lambda array=array: array.read().T)
        if name not in stored:
            stored[name] = array
        elif np.array_equal(array.read(), stored[name].read()):
            copies += 1
        else:
            raise InputError(
                f"Copies of {name} must be equal, because ALBERT ties them. Received different "
                f"values in '{path}'. Save the model again."
            )
    has_bias = "predictions.decoder.bias" in stored
    if has_bias:  # TFAlbert adds this one to the logits, and never trains predictions.bias.
        stored["predictions.bias"] = stored.pop("predictions.decoder.bias")
    # Keras names a model after its class, such as tf_albert_for_masked_lm_1.
    name = re.fullmatch(r"tf_(albert\w*?)(_\d+)?", models.pop()) if len(models) == 1 else None
    skipped = {"copies": copies, "biases that TFAlbert does not use": int(has_bias)}
    return Arrays(stored, skipped, name and name.group(1).replace("_", ""))
