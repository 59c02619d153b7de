"""The files of sentence-transformers beside a Hugging Face model: how it pools tokens to a vector.

    modules.json                       the modules in order: Transformer, Pooling, Dense, Normalize
    1_Pooling/config.json              how to pool
    2_Dense/                           config.json and model.safetensors of a dense layer
    sentence_bert_config.json          the maximum sequence length, and whether to lower-case
    config_sentence_transformers.json  versions and prompts

`hugging_face` reads and writes the model itself.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from albert_tf.embedding_settings import Dense, EmbeddingSettings
from albert_tf.errors import InputError, closest
from albert_tf.files import parse_json, read_json
from albert_tf.formats import dense_modules
from albert_tf.formats.source import Source, Stored, Weights
from albert_tf.task_types import EMBEDDING, TaskDescription
from albert_tf.tokenization.model_files import TOKENIZER_CONFIG

MODULES, LENGTH = "modules.json", "sentence_bert_config.json"
_PROMPTS, _POOLING = "config_sentence_transformers.json", "1_Pooling"
# The keys of a pooling, by our names, in the order in which vectors of several modes are joined.
_KEYS = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len": "pooling_mode_mean_sqrt_len_tokens",
    "weighted_mean": "pooling_mode_weightedmean_tokens",
    "last": "pooling_mode_lasttoken",
}
# The names in files that list modes instead, as newer versions do.
_MODES = {key.removeprefix("pooling_mode_"): mode for mode, key in _KEYS.items()}
_MODES |= {"cls": "cls", "max": "max", "mean": "mean", "weightedmean": "weighted_mean"}
_OTHER_KEYS = ("word_embedding_dimension", "embedding_dimension", "include_prompt", "pooling_mode")
_TYPE = "sentence_transformers.models."
_OPTIONAL = {"Dense", "Normalize", "Dropout"}
_LONGEST_NAME = 255  # Bytes of the name of a file.
_LONGEST = 10**6  # transformers writes 10**30 for no limit.


class Modules(NamedTuple):
    """What the modules after the encoder do.

    Attributes:
      task: the description of the embeddings.
      inputs: the number of inputs that each dense layer has in its file.
      stored: the weights of the dense layers, by the names in `task_types`.
    """

    task: TaskDescription
    inputs: tuple[int, ...]
    stored: Mapping[str, Stored]


def is_folder(path: Path) -> bool:
    """Returns whether a folder is one of sentence-transformers."""
    return (path / MODULES).is_file()


def transformer(path: Path) -> Path:
    """Returns the folder of the Hugging Face model: the folder itself, or one in it."""
    return _part(path, _modules(path)[0])


def read(path: Path) -> Modules:
    """Reads the modules of a folder.

    Raises:
      InputError: a file is damaged, or has a module or a setting that is not supported.
    """
    modules = _modules(path)
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    if kinds[:2] != ["Transformer", "Pooling"] or not {*kinds[2:]} <= _OPTIONAL:
        raise InputError(
            "A model of sentence-transformers must have the modules Transformer, Pooling and, "
            f"optionally, Dense, Normalize and Dropout. Received {', '.join(kinds):.200} in "
            f"'{path / MODULES}'. Others are not supported yet."
        )
    pooling = _pooling(_part(path, modules[1]))
    layers, inputs, stored, normalize = [], [], {}, False
    for module, kind in zip(modules[2:], kinds[2:]):
        folder = _part(path, module)
        if kind == "Dropout":  # Changes no vector outside of training.
            continue
        if kind == "Normalize":
            dense_modules.check_places(folder)
            normalize = True
            continue
        dense = dense_modules.read(folder)
        stored |= {f"dense.{len(layers)}.{name}": array for name, array in dense.stored.items()}
        layers.append(dense.layer._replace(normalize_input=normalize))
        inputs.append(dense.inputs)
        normalize = False
    settings = EmbeddingSettings(pooling, normalize, tuple(layers)).to_dict()
    if (length := _length(path)) is not None:
        settings["seq_length"] = length
    if prompt := _prompt(path, _part(path, modules[1])):
        settings["prompt"] = prompt
    return Modules(TaskDescription(EMBEDDING, settings=settings), tuple(inputs), stored)


def described(source: Source, path: Path, modules: Modules) -> Source:
    """Returns the model of a folder with the description of its embeddings.

    Args:
      source: the model, read from `transformer(path)`.
      path: the folder.
      modules: the result of `read`.

    Raises:
      InputError: the modules do not fit the model, or each other.
    """
    task, longest = modules.task, source.config.max_position_embeddings
    if (length := task.settings.get("seq_length", longest)) > longest:
        raise InputError(
            f"max_seq_length must not exceed max_position_embeddings, {longest}. Received {length} "
            f"in '{transformer(path) / LENGTH}'. Lower it."
        )
    ours = TaskDescription.beside(path)
    unset = {"dense": [], "prompt": ""}
    if (
        ours is not None
        and {**unset, **task.settings}.items() <= {**unset, **ours.settings}.items()
    ):
        task = ours  # It also has the settings of the inputs.
    preprocessing = source.preprocessing
    if preprocessing is not None and _lengths(path).get("do_lower_case"):
        preprocessing = dataclasses.replace(preprocessing, lower_case=True)
    return dataclasses.replace(source, path=path, task=task, preprocessing=preprocessing)


def check_chain(modules: Modules, hidden_size: int, path: Path) -> None:
    """Raises `InputError` unless each dense layer takes what comes before it."""
    settings = EmbeddingSettings.of(modules.task.settings)
    width = len(settings.pooling) * hidden_size
    for index, (inputs, layer) in enumerate(zip(modules.inputs, settings.dense)):
        if inputs != width:
            raise InputError(
                f"A Dense module must take the {width} numbers that the modules before it make. "
                f"Received in_features={inputs} for the dense layer {index + 1} in '{path}'. "
                "Download it again."
            )
        width = layer.units


def as_theirs(source: Source) -> Source:
    """Returns a model for embeddings as sentence-transformers can compute it.

    It has no place for `dimensions`, so a dense layer takes the first numbers of a vector.
    """
    settings, hidden = EmbeddingSettings.of(source.task.settings), source.config.hidden_size
    if settings.dimensions is None:
        return source
    kernel = np.eye(settings.width(hidden), settings.size(hidden), dtype=np.float32)
    dense = (*settings.dense, Dense(settings.dimensions, "linear", use_bias=False))
    name = f"head/dense/{len(settings.dense)}/kernel"
    weights = {
        n: Stored(source.weights.shape(n), lambda n=n: source.weights[n]) for n in source.weights
    }
    weights[name] = Stored(kernel.shape, lambda: kernel)
    others = {n: value for n, value in source.task.settings.items() if n != "dimensions"}
    others |= dataclasses.replace(settings, dense=dense, dimensions=None).to_dict()
    task = dataclasses.replace(source.task, settings=others)
    return dataclasses.replace(source, weights=Weights(weights), task=task)


def write(source: Source, arrays: Mapping[str, np.ndarray], folder: Path) -> tuple[str, ...]:
    """Writes the files of a model for embeddings; returns notes.

    Args:
      source: the result of `as_theirs`.
      arrays: the weights of the dense layers, by the names in `task_types`.
      folder: the folder of the Hugging Face model.

    Raises:
      InputError: sentence-transformers has no such pooling or activation.
    """
    task, hidden = source.task, source.config.hidden_size
    settings = EmbeddingSettings.of(task.settings)
    for mode in settings.pooling:
        if mode not in _KEYS:
            raise InputError(
                f"A pooling must be one of sentence-transformers: {', '.join(_KEYS)}. Received "
                f"{mode!r}. Convert to checkpoint, or choose another pooling."
            )
    names = [("Transformer", ""), ("Pooling", _POOLING)]
    width = len(settings.pooling) * hidden
    for index, layer in enumerate(settings.dense):
        if layer.normalize_input:
            names.append(_numbered(names, "Normalize"))
        names.append(_numbered(names, "Dense"))
        prefix = f"dense.{index}."
        own = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
        dense_modules.write(width, layer, own, folder / names[-1][1])
        width = layer.units
    names += [_numbered(names, "Normalize")] if settings.normalize else []
    prompt = task.settings.get("prompt", "")
    pooling = {key: mode in settings.pooling for mode, key in _KEYS.items()}
    longest = source.config.max_position_embeddings
    contents: Mapping[str, Any] = {
        f"{_POOLING}/config.json": {"word_embedding_dimension": hidden, **pooling},
        MODULES: [
            {"idx": index, "name": str(index), "path": path, "type": f"{_TYPE}{kind}"}
            for index, (kind, path) in enumerate(names)
        ],
        LENGTH: {
            "max_seq_length": task.settings.get("seq_length", longest),
            "do_lower_case": False,
        },
        _PROMPTS: {
            "prompts": {"default": prompt} if prompt else {},
            "default_prompt_name": "default" if prompt else None,
            "similarity_fn_name": "cosine",
        },
    }
    for _, path in names[1:]:
        (folder / path).mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return ("sentence-transformers loads the folder, with the same pooling",)


def _numbered(names: list[tuple[str, str]], kind: str) -> tuple[str, str]:
    return kind, f"{len(names)}_{kind}"


def _length(path: Path) -> int | None:
    """Returns the maximum sequence length; None if no file has it."""
    length = _lengths(path).get("max_seq_length")
    if length is None:  # As newer versions leave it to the tokenizer.
        file = transformer(path) / TOKENIZER_CONFIG
        length = read_json(file, "A tokenizer config") if file.is_file() else {}
        length = length.get("model_max_length")
        length = length if type(length) is int and 3 <= length <= _LONGEST else None
    if length is not None and (type(length) is not int or length < 3):
        raise InputError(
            "max_seq_length must be a whole number of at least 3 tokens. Received "
            f"{length!r:.80} in '{transformer(path) / LENGTH}'. Correct it."
        )
    return length


def _modules(path: Path) -> list[dict[str, str]]:
    """Returns the modules in order, with a `path` and a `type` each."""
    file = path / MODULES
    try:
        modules = parse_json(file.read_text(encoding="utf-8-sig"))
        modules = sorted(modules, key=lambda module: int(module["idx"]))
        plain = all(isinstance(module[key], str) for module in modules for key in ("path", "type"))
    except (OSError, ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise InputError(
            "modules.json must be a list of modules with idx, path and type. Received "
            f"'{file}': {type(error).__name__} {str(error)[:80]}. Download it again."
        ) from error
    if not plain or not modules:
        raise InputError(
            "modules.json must have a path and a type for each module. Received "
            f"{str(modules):.200} in '{file}'. Download it again."
        )
    return modules


def _part(path: Path, module: Mapping[str, str]) -> Path:
    name = module["path"]
    is_name = name == Path(name).name and name not in (".", "..")
    if name and not (is_name and len(name.encode(errors="replace")) <= _LONGEST_NAME):
        raise InputError(
            "A module must be in the folder of the model. Received the path "
            f"{name!r:.200} in '{path / MODULES}'. Download it again."
        )
    return path / name


def _pooling(folder: Path) -> tuple[str, ...]:
    file = folder / "config.json"
    values = read_json(file, "A pooling")
    unknown = [key for key in values if key not in (*_KEYS.values(), *_OTHER_KEYS)]
    if unknown:
        raise InputError(
            "A pooling must have only known keys, as another may change the vectors. Received "
            f"{unknown[0]!r:.80} in '{file}'. {closest(unknown[0], [*_KEYS.values()])}"
        )
    listed = values.get("pooling_mode") or ()
    listed = listed if isinstance(listed, list) else [listed] if listed else []
    if not all(isinstance(name, str) and name in _MODES for name in listed):
        raise InputError(
            f"pooling_mode must name known modes. Received {listed!r:.80} in "
            f"'{file}'. {closest(str(listed)[:80], _MODES)}"
        )
    chosen = {_MODES[name] for name in listed}
    chosen |= {mode for mode, key in _KEYS.items() if values.get(key)}
    if not chosen:
        raise InputError(
            f"A pooling must have a mode. Received no mode in '{file}'. Download it again."
        )
    return tuple(mode for mode in _KEYS if mode in chosen)


def _lengths(path: Path) -> dict[str, Any]:
    file = transformer(path) / LENGTH
    return read_json(file, "A sentence-transformers config") if file.is_file() else {}


def _prompt(path: Path, pooling: Path) -> str:
    """Returns the text that is put before each text; "" for none."""
    file = path / _PROMPTS
    values = read_json(file, "A sentence-transformers config") if file.is_file() else {}
    name, prompts = values.get("default_prompt_name"), values.get("prompts") or {}
    if name is None:
        return ""
    known = isinstance(prompts, dict) and isinstance(name, str) and name in prompts
    prompt = (prompts[name] or "") if known else None
    if not isinstance(prompt, str):
        raise InputError(
            "default_prompt_name must be null or name a text in prompts. Received "
            f"{name!r:.80} in '{file}'. Correct it."
        )
    if prompt and read_json(pooling / "config.json", "A pooling").get("include_prompt") is False:
        raise InputError(
            "include_prompt must be true with a default prompt. Received false in "
            f"'{pooling / 'config.json'}' and default_prompt_name={name!r:.80}. Prompts that are "
            "left out of the pooling are not supported yet."
        )
    return prompt
