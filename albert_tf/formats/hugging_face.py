"""Hugging Face folders: config.json, model.safetensors, spiece.model, tokenizer files.

Weights in pytorch_model.bin can be read too if torch is installed. Pickles are loaded with
`weights_only`, so they cannot run code.
"""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from albert_tf.config import LAYER_NORM_EPSILON, AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats import differences, hugging_face_config, mapping
from albert_tf.formats.differences import check_epsilon, check_groups
from albert_tf.formats.source import Source, Stored
from albert_tf.task_types import FILE as TASK
from albert_tf.task_types import TaskDescription
from albert_tf.tokenization.model_files import find_model_file
from albert_tf.tokenization.settings import Preprocessing, path_beside

NAME = "hugging_face"
NEEDS = "config.json (model_type albert), model.safetensors or pytorch_model.bin, spiece.model"
_ENCODER, _HEADS = "albert.", ("predictions.", "sop_classifier.")
# Tied to the word embeddings and predictions.bias; older folders store these copies as well.
_TIED = {
    "predictions.decoder.weight": "albert.embeddings.word_embeddings.weight",
    "predictions.decoder.bias": "predictions.bias",
}
_BUFFERS = ("albert.embeddings.position_ids", "albert.embeddings.token_type_ids")
# The transformers class for each set of pretraining heads. `hugging_face_config` has the classes
# with a task head.
_ARCHITECTURES = {
    ("masked_lm", "sentence_order"): "AlbertForPreTraining",
    ("masked_lm",): "AlbertForMaskedLM",
    (): "AlbertModel",
}
_SPECIAL = dict(unk_token="<unk>", pad_token="<pad>", cls_token="[CLS]", sep_token="[SEP]")
_SPECIAL |= dict(bos_token="[CLS]", eos_token="[SEP]", mask_token="[MASK]")


def matches(path: Path) -> bool:
    """Whether `path` is a Hugging Face folder of any kind."""
    return (path / "config.json").is_file() and find_weights(path) is not None


def read(path: Path, config: AlbertConfig | None = None) -> Source:
    """Reads a folder written by transformers or this package.

    Args:
      path: the folder.
      config: sizes and rates to use instead of those in the folder's config.json.

    Raises:
      InputError: the config is invalid, a shape does not match it, or a file is damaged.
    """
    theirs = hugging_face_config.read(path / "config.json")
    config = config or theirs.config
    check_groups(NAME, config)
    stored = read_arrays(path)
    if not any(name.startswith(_ENCODER) for name in stored):  # As AlbertModel saves them.
        stored = {
            name if name.startswith(_HEADS) else _ENCODER + name: array
            for name, array in stored.items()
        }
    buffers = [stored.pop(name) for name in _BUFFERS if name in stored]
    tied = _pop_tied(stored, path)
    task = theirs.task
    if f"{_ENCODER}pooler.weight" in stored and task is not None and not task.type.head:
        task = None  # With a pooler, this is a pretrained model rather than a task model.
    ours = TaskDescription.beside(path)
    if ours is not None and task is not None and ours.labels == task.labels:
        task = ours  # Our description also contains the settings of the inputs.
    stored = differences.without_identity_projection(NAME, stored, config)
    weights, unread = mapping.to_ours(NAME, stored, config, path, task)
    model_file = find_model_file(path)
    notes = list(theirs.notes)
    if model_file is None and (path / "tokenizer.json").is_file():
        notes.append("tokenizer.json is ignored; the tokenizer requires spiece.model")
    return Source(
        format=NAME,
        path=path,
        config=config,
        weights=weights,
        unread=unread,
        skipped={"tied copies": len(tied), "buffers": len(buffers)},
        model_file=model_file,
        preprocessing=_preprocessing(path, model_file),
        epsilon={"encoder": theirs.epsilon, "masked_lm": theirs.epsilon},
        classifier_dropout=theirs.classifier_dropout,
        task=task,
        notes=tuple(notes),
    )


def write(source: Source, folder: Path) -> tuple[str, ...]:
    """Writes a model that transformers can load into an empty `folder`; returns notes.

    Raises:
      InputError: transformers would assign layers to other groups, or has no class for the task.
    """
    from safetensors.numpy import save_file

    check_groups(NAME, source.config)
    epsilon = source.epsilon.get("encoder", LAYER_NORM_EPSILON)
    notes = list(check_epsilon(NAME, source, encoder=epsilon, masked_lm=epsilon))
    architecture = hugging_face_config.architecture(source.task) or _ARCHITECTURES.get(
        source.heads, "AlbertForPreTraining"
    )
    arrays = dict(differences.identity_projection(NAME, source.config))
    arrays.update(mapping.to_theirs(NAME, source))
    if source.task is not None:
        arrays = _only_task(arrays, source.task)
    if architecture == "AlbertModel":
        arrays = {name.removeprefix(_ENCODER): array for name, array in arrays.items()}
    for name in arrays:
        arrays[name] = np.ascontiguousarray(arrays[name])
    # transformers refuses files without this metadata.
    save_file(arrays, folder / "model.safetensors", metadata={"format": "pt"})
    values = hugging_face_config.to_dict(source, architecture, epsilon)
    (folder / "config.json").write_text(json.dumps(values, indent=2) + "\n")
    if source.task is not None:
        source.task.to_json_file(folder / TASK)
    if architecture == "AlbertForMaskedLM" and "encoder/pooler/kernel" in source.weights:
        notes.append(
            "AlbertForMaskedLM has no pooler: transformers reports albert.pooler.* as unexpected"
        )
    return tuple(notes)


def _only_task(arrays: dict[str, np.ndarray], task: TaskDescription) -> dict[str, np.ndarray]:
    """Removes the arrays that the transformers class of a task does not have."""
    # A task without its own head uses the masked-LM head.
    absent = [head for head in _HEADS if task.type.head or head != _HEADS[0]]
    absent += [] if task.type.uses_pooler else [f"{_ENCODER}pooler."]
    return {name: array for name, array in arrays.items() if not name.startswith(tuple(absent))}


def write_vocabulary(source: Source, folder: Path) -> tuple[str, ...]:
    """Writes spiece.model and the tokenizer files; returns notes."""
    if source.model_file is None:
        return ("the source has no SentencePiece model, so no tokenizer is written",)
    settings = source.preprocessing or Preprocessing()
    target = folder / "spiece.model"
    shutil.copyfile(source.model_file, target)
    settings.to_json_file(path_beside(target))
    values = {
        "tokenizer_class": "AlbertTokenizer",
        "do_lower_case": settings.lower_case,
        "keep_accents": settings.keep_accents,
        "remove_space": True,
        "model_max_length": source.config.max_position_embeddings,
        **_SPECIAL,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(values, indent=2) + "\n")
    (folder / "special_tokens_map.json").write_text(json.dumps(_SPECIAL, indent=2) + "\n")
    if settings.rules == "original":
        return (
            "the tokenizer of transformers applies its own text rules; those of the source are in "
            f"{path_beside(target).name}, which only this package reads",
        )
    return ()


def _pop_tied(stored: dict[str, Stored], path: Path) -> list[str]:
    """Removes copies of tied weights and returns their names.

    Raises:
      InputError: a copy differs from the original, so the weights are not tied.
    """
    tied = [name for name in _TIED if name in stored]
    for name in tied:
        copy, original = stored.pop(name), stored.get(_TIED[name])
        if original is None or not np.array_equal(copy.read(), original.read()):
            raise InputError(
                f"{name} must equal {_TIED[name]}, because ALBERT ties them. Received different "
                f"values in '{path}'. This package cannot build a model with untied weights."
            )
    return tied


def _preprocessing(path: Path, model_file: Path | None) -> Preprocessing | None:
    if model_file is None:
        return None
    if path_beside(model_file).is_file():
        return Preprocessing.from_json_file(path_beside(model_file))
    values: Mapping[str, object] = {}
    if (path / "tokenizer_config.json").is_file():
        values = json.loads((path / "tokenizer_config.json").read_text(encoding="utf-8"))
    return Preprocessing(
        lower_case=values.get("do_lower_case", True),
        keep_accents=values.get("keep_accents", False),
        rules="hugging_face",
    )


# === Weight files: safetensors, in one file or several, and PyTorch pickles ===


_WHOLE, _PARTS = "model.safetensors", "model.safetensors.index.json"
_PICKLE = "pytorch_model.bin"
# The supported types of weights, as named in a safetensors header.
_DTYPES = ("F32", "F16", "BF16", "F64")


def find_weights(folder: Path) -> Path | None:
    """Returns the weights file to read, safetensors before PyTorch; None if there is none."""
    for name in (_WHOLE, _PARTS, _PICKLE):
        if (folder / name).is_file():
            return folder / name
    return None


def read_arrays(folder: Path) -> dict[str, Stored]:
    """Returns the arrays of a folder by name; each is read only when accessed.

    Raises:
      InputError: a file is damaged or missing, or it requires torch, which is not installed.
    """
    path = find_weights(folder)
    if path.name == _PICKLE:
        return _from_pickle(path)
    files = [path]
    if path.name == _PARTS:
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            files = [folder / name for name in sorted(set(index["weight_map"].values()))]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{_PARTS} must be JSON with a weight_map from names to files. Received '{path}': "
                f"{error!r}. Copy or download it again."
            ) from error
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
    except Exception as error:  # torch passes on any error of its archive reader or unpickler.
        raise InputError(
            f"{_PICKLE} must be a complete state dict of tensors. Received '{path}', which torch "
            f"cannot read: {error}. Download it again, or save the model as safetensors."
        ) from error
    return {
        name: Stored(tuple(tensor.shape), lambda tensor=tensor: tensor.float().numpy())
        for name, tensor in tensors.items()
    }
