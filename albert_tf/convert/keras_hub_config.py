"""The JSON files of KerasHub presets, to `AlbertConfig` and back."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError, closest

_MODELS = "keras_hub.src.models.albert"
_BACKBONE, _TASK, _TOKENIZER = "AlbertBackbone", "AlbertMaskedLM", "AlbertTokenizer"
_NAMES = {
    "vocabulary_size": "vocab_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "num_groups": "num_hidden_groups",
    "num_inner_repetitions": "inner_group_num",
    "embedding_dim": "embedding_size",
    "hidden_dim": "hidden_size",
    "intermediate_dim": "intermediate_size",
    "max_sequence_length": "max_position_embeddings",
    "num_segments": "type_vocab_size",
}
_UNREAD = ("name", "trainable", "dtype", "image_shape")


def is_preset(folder: Path) -> bool:
    """Whether the folder's config.json describes a KerasHub AlbertBackbone."""
    path = folder / "config.json"
    if not path.is_file():
        return False
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False  # Another format may still claim the folder and tell what is wrong.
    return isinstance(values, dict) and values.get("class_name") == _BACKBONE


def read(folder: Path) -> AlbertConfig:
    """Reads config.json.

    Raises:
      InputError: it has an unknown key, lacks one, or breaks a rule.
    """
    path = folder / "config.json"
    values = json.loads(path.read_text(encoding="utf-8")).get("config", {})
    for key in values:
        if key not in (*_NAMES, "dropout", *_UNREAD):
            raise InputError(
                f"The config of an AlbertBackbone must hold known keys only. Received {key!r} in "
                f"'{path}'. {closest(key, [*_NAMES, 'dropout'])}"
            )
    missing = sorted(set(_NAMES) - {"num_segments"} - set(values))
    if missing:
        raise InputError(
            f"The config of an AlbertBackbone must hold all sizes. Received '{path}' without "
            f"{missing}. Add them."
        )
    dropout = float(values.get("dropout", 0.0))
    return AlbertConfig(
        **{ours: values[theirs] for theirs, ours in _NAMES.items() if theirs in values},
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )


def notes(config: AlbertConfig) -> tuple[str, ...]:
    """Returns what of a config a preset cannot hold."""
    lost = []
    if config.hidden_dropout_prob != config.attention_probs_dropout_prob:
        lost.append(
            "a KerasHub preset has one dropout rate: hidden_dropout_prob "
            f"{config.hidden_dropout_prob} is written, attention_probs_dropout_prob "
            f"{config.attention_probs_dropout_prob} is not"
        )
    default = _default("initializer_range")
    if config.initializer_range != default:
        lost.append(
            f"a KerasHub preset has no initializer_range: {config.initializer_range} is not "
            f"written, {default} will be read"
        )
    return tuple(lost)


def write(folder: Path, config: AlbertConfig, with_head: bool, with_tokenizer: bool) -> None:
    """Writes config.json, metadata.json and, as asked for, task.json and tokenizer.json."""
    sizes = {theirs: getattr(config, ours) for theirs, ours in _NAMES.items()}
    values = {"name": "albert_backbone", "trainable": True, "dtype": _policy("float32"), **sizes}
    values["dropout"] = config.hidden_dropout_prob
    backbone = _object("albert_backbone", _BACKBONE, values)
    _dump(folder / "config.json", backbone)
    # Read by people; from_preset asks only that it is there.
    _dump(folder / "metadata.json", {"tasks": ["MaskedLM", "TextClassifier"]})
    if with_head:
        task = {"backbone": backbone, "preprocessor": None, "name": "albert_masked_lm"}
        _dump(folder / "task.json", _object("albert_masked_lm", _TASK, task))
    if with_tokenizer:
        tokenizer = {"name": "albert_tokenizer", "trainable": True, "dtype": _policy("int32")}
        tokenizer |= {"config_file": "tokenizer.json", "proto": None, "sequence_length": None}
        tokenizer |= {"add_bos": False, "add_eos": False}
        _dump(folder / "tokenizer.json", _object("albert_tokenizer", _TOKENIZER, tokenizer))


def _object(module: str, class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "module": f"{_MODELS}.{module}",
        "class_name": class_name,
        "config": config,
        "registered_name": f"keras_hub>{class_name}",
    }


def _policy(dtype: str) -> dict[str, Any]:
    names = {"module": "keras", "class_name": "DTypePolicy"}
    return {**names, "config": {"name": dtype}, "registered_name": None}


def _default(name: str) -> Any:
    return next(f.default for f in dataclasses.fields(AlbertConfig) if f.name == name)


def _dump(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=4) + "\n")
