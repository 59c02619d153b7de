"""The files of sentence-transformers beside a Hugging Face model: how it pools tokens to a vector.

    modules.json                       the modules in order: Transformer, Pooling, Normalize
    1_Pooling/config.json              how to pool
    sentence_bert_config.json          the maximum sequence length, and whether to lower-case
    config_sentence_transformers.json  versions and prompts

`hugging_face` reads and writes the model itself.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from albert_tf.errors import InputError, closest
from albert_tf.files import parse_json, read_json
from albert_tf.formats.source import Source
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
_LONGEST = 10**6  # transformers writes 10**30 for no limit.


def is_folder(path: Path) -> bool:
    """Returns whether a folder is one of sentence-transformers."""
    return (path / MODULES).is_file()


def transformer(path: Path) -> Path:
    """Returns the folder of the Hugging Face model: the folder itself, or one in it."""
    return _part(path, _modules(path)[0])


def described(source: Source, path: Path) -> Source:
    """Returns the model of a folder with the description of its embeddings.

    Args:
      source: the model, read from `transformer(path)`.
      path: the folder.

    Raises:
      InputError: a file is damaged, or has a module or a setting that is not supported.
    """
    task, longest = _task(path), source.config.max_position_embeddings
    if (length := task.settings.get("seq_length", longest)) > longest:
        raise InputError(
            f"max_seq_length must not exceed max_position_embeddings, {longest}. Received {length} "
            f"in '{transformer(path) / LENGTH}'. Lower it."
        )
    ours = TaskDescription.beside(path)
    if ours is not None and {**ours.settings, **task.settings} == dict(ours.settings):
        task = ours  # It also has the settings of the inputs.
    preprocessing = source.preprocessing
    if preprocessing is not None and _lengths(path).get("do_lower_case"):
        preprocessing = dataclasses.replace(preprocessing, lower_case=True)
    return dataclasses.replace(source, path=path, task=task, preprocessing=preprocessing)


def _task(path: Path) -> TaskDescription:
    modules = _modules(path)
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise InputError(
            "A model of sentence-transformers must have the modules Transformer, Pooling and, "
            f"optionally, Normalize. Received {', '.join(kinds):.200} in '{path / MODULES}'. "
            "Others are not supported yet."
        )
    settings: dict[str, Any] = {"pooling": list(_pooling(_part(path, modules[1])))}
    settings["normalize"] = len(kinds) > 2
    length = _lengths(path).get("max_seq_length")
    if length is None:  # As newer versions leave it to the tokenizer.
        file = transformer(path) / TOKENIZER_CONFIG
        length = read_json(file, "A tokenizer config") if file.is_file() else {}
        length = length.get("model_max_length")
        length = length if type(length) is int and 3 <= length <= _LONGEST else None
    if length is not None:
        if type(length) is not int or length < 3:
            raise InputError(
                "max_seq_length must be a whole number of at least 3 tokens. Received "
                f"{length!r:.80} in '{transformer(path) / LENGTH}'. Correct it."
            )
        settings["seq_length"] = length
    _check_prompts(path)
    return TaskDescription(EMBEDDING, settings=settings)


def write(task: TaskDescription, width: int, longest: int, folder: Path) -> tuple[str, ...]:
    """Writes the files of a model for embeddings; returns notes.

    Args:
      task: the description of the embeddings.
      width: the hidden size.
      longest: the length of the position table.
      folder: the folder of the Hugging Face model.

    Raises:
      InputError: sentence-transformers has no such pooling.
    """
    settings = task.settings
    modes = settings.get("pooling", ["mean"])
    for mode in modes:
        if mode not in _KEYS:
            raise InputError(
                f"A pooling must be one of sentence-transformers: {', '.join(_KEYS)}. Received "
                f"{mode!r}. Convert to checkpoint, or choose another pooling."
            )
    names = {"Transformer": "", "Pooling": _POOLING}
    names |= {"Normalize": "2_Normalize"} if settings.get("normalize") else {}
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"{_TYPE}{kind}"}
        for index, (kind, path) in enumerate(names.items())
    ]
    pooling = {key: mode in modes for mode, key in _KEYS.items()}
    length = {"max_seq_length": settings.get("seq_length", longest), "do_lower_case": False}
    prompts = {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    (folder / _POOLING).mkdir()
    contents: Mapping[str, Any] = {
        MODULES: modules,
        f"{_POOLING}/config.json": {"word_embedding_dimension": width, **pooling},
        LENGTH: length,
        _PROMPTS: prompts,
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if settings.get("normalize"):
        (folder / names["Normalize"]).mkdir()
    return ("sentence-transformers loads the folder, with the same pooling",)


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
    if name and (name != Path(name).name or name in (".", "..")):
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


def _check_prompts(path: Path) -> None:
    file = path / _PROMPTS
    values = read_json(file, "A sentence-transformers config") if file.is_file() else {}
    if values.get("default_prompt_name") is not None:
        raise InputError(
            "default_prompt_name must be null, as prompts are not added to texts. Received "
            f"{values['default_prompt_name']!r:.80} in '{file}'. Add the prompt to the texts "
            "yourself, and set it to null."
        )
