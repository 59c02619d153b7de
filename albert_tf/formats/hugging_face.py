"""Hugging Face folders: config.json, model.safetensors, spiece.model or vocab.txt, and more.

Weights in pytorch_model.bin can be read too if torch is installed. Pickles are loaded with
`weights_only`, so they cannot run code. tf_model.h5 has the weights of the TFAlbert classes, which
transformers 5 no longer has.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from albert_tf.config import LAYER_NORM_EPSILON, AlbertConfig
from albert_tf.errors import InputError
from albert_tf.files import read_json
from albert_tf.formats import (
    bert_tokenizer,
    differences,
    hdf5,
    hugging_face_config,
    mapping,
    sentence_transformers,
)
from albert_tf.formats.differences import check_epsilon, check_groups
from albert_tf.formats.source import Source, Stored
from albert_tf.task_types import EMBEDDING, TaskDescription
from albert_tf.task_types import FILE as TASK
from albert_tf.tokenization import added_tokens
from albert_tf.tokenization.model_files import (
    TOKENIZER_CONFIG,
    find_model_file,
    hugging_face_settings,
)
from albert_tf.tokenization.settings import Preprocessing, path_beside
from albert_tf.tokenization.wordpiece_file import is_wordpiece

NAME = "hugging_face"
NEEDS = (
    "config.json (model_type albert), model.safetensors, pytorch_model.bin or tf_model.h5, "
    "spiece.model or vocab.txt"
)
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
    if sentence_transformers.is_folder(path):
        path = sentence_transformers.transformer(path)
    return (path / "config.json").is_file() and find_weights(path) is not None


def read(path: Path, config: AlbertConfig | None = None) -> Source:
    """Reads a folder written by transformers or this package.

    Args:
      path: the folder.
      config: sizes and rates to use instead of those in the folder's config.json.

    Raises:
      InputError: the config is invalid, a shape does not match it, or a file is damaged.
    """
    if not sentence_transformers.is_folder(path):
        return _read_model(path, config)
    source = _read_model(sentence_transformers.transformer(path), config)
    return sentence_transformers.described(source, path)


def _read_model(path: Path, config: AlbertConfig | None) -> Source:
    stored, skipped, architecture = read_arrays(path)
    theirs = hugging_face_config.read(path / "config.json", architecture)
    config = config or theirs.config
    check_groups(NAME, config)
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
    if ours is not None and task is not None and hugging_face_config.agree(ours, task):
        task = ours  # Our description also contains the settings of the inputs.
    stored = differences.without_identity_projection(NAME, stored, config)
    weights, unread = mapping.to_ours(NAME, stored, config, path, task)
    model_file = find_model_file(path)
    notes = [*theirs.notes, *_notes_on_files(path)]
    if model_file is None and (path / "tokenizer.json").is_file():
        notes.append("tokenizer.json is ignored; the tokenizer requires spiece.model or vocab.txt")
    return Source(
        format=NAME,
        path=path,
        config=config,
        weights=weights,
        unread=unread,
        skipped={"tied copies": len(tied), "buffers": len(buffers), **skipped},
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
    embeds = source.task is not None and source.task.task == EMBEDDING
    if embeds:
        arrays = {name: array for name, array in arrays.items() if not name.startswith(_HEADS)}
        sizes = source.config.hidden_size, source.config.max_position_embeddings
        notes += sentence_transformers.write(source.task, *sizes, folder)
    elif source.task is not None:
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
    """Writes spiece.model or vocab.txt, and the tokenizer files; returns notes."""
    if source.model_file is None:
        return ("the source has no vocabulary, so no tokenizer is written",)
    settings = source.preprocessing or Preprocessing()
    if is_wordpiece(source.model_file):
        bert_tokenizer.write(source, settings, folder)
        return _notes_on_rules(settings, "vocab.preprocess.json")
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
    contents = {TOKENIZER_CONFIG: values, added_tokens.SPECIAL_FILE: dict(_SPECIAL)}
    if settings.added_tokens:
        added = added_tokens.to_files(settings.added_tokens, *contents.values())
        contents[added_tokens.FILE] = added
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    return _notes_on_rules(settings, path_beside(target).name)


def _notes_on_rules(settings: Preprocessing, file: str) -> tuple[str, ...]:
    if settings.rules != "original":
        return ()
    return (
        "the tokenizer of transformers applies its own text rules; those of the source are in "
        f"{file}, which only this package reads",
    )


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
    return hugging_face_settings(model_file)


# === Weight files: safetensors, in one file or several, PyTorch pickles, and HDF5 ===


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


def _notes_on_files(folder: Path) -> list[str]:
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
