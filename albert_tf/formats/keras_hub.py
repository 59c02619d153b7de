"""KerasHub preset folders: config.json, model.weights.h5, the head in task.*, assets/tokenizer.

KerasHub has no sentence-order head, a single dropout rate, and only the tanh gelu. The layer norm
of its masked-LM head has epsilon 1e-5.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import h5py

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.files import read_json
from albert_tf.formats import differences, mapping
from albert_tf.formats.differences import check_epsilon, check_groups
from albert_tf.formats.hdf5 import read_arrays
from albert_tf.formats.source import Source
from albert_tf.tokenization.model_files import find_model_file, find_preprocessing
from albert_tf.tokenization.settings import Preprocessing, path_beside
from albert_tf.tokenization.wordpiece_file import is_wordpiece

NAME = "keras_hub"
NEEDS = "config.json (AlbertBackbone), model.weights.h5, assets/tokenizer/vocabulary.spm"
HEAD_EPSILON = 1e-5  # The default of keras_hub.layers.MaskedLMHead, which AlbertMaskedLM uses.
_BACKBONE, _TASK = "model.weights.h5", "task.weights.h5"
_VOCABULARY = Path("assets/tokenizer/vocabulary.spm")


def matches(path: Path) -> bool:
    """Whether `path` is a KerasHub preset of an AlbertBackbone."""
    return is_preset(path)


def read(path: Path, config: AlbertConfig | None = None) -> Source:
    """Reads a preset written by KerasHub or this package, with its masked-LM head if it has one.

    Args:
      path: the folder.
      config: used instead of the folder's config.json.

    Raises:
      InputError: the config is invalid, a shape does not match it, or a file is damaged.
    """
    config = config or read_config(path)
    check_groups(NAME, config)
    if not (path / _BACKBONE).is_file():
        raise InputError(
            f"A KerasHub preset must contain {_BACKBONE}. Received '{path}', which lacks it."
        )
    stored = read_arrays(path / _BACKBONE)
    if (path / _TASK).is_file():
        stored |= read_arrays(path / _TASK)
    optimizer = [name for name in stored if name.startswith("optimizer/")]
    for name in optimizer:
        del stored[name]
    stored = differences.without_identity_projection(NAME, stored, config)
    weights, unread = mapping.to_ours(NAME, stored, config, path)
    model_file = find_model_file(path)
    notes = []
    if model_file and not path_beside(model_file).is_file():
        notes.append(
            "KerasHub's tokenizer neither lower-cases nor strips accents, but its weights are the "
            "released ones, so their settings are used: lower case, no accents"
        )
    return Source(
        format=NAME,
        path=path,
        config=config,
        weights=weights,
        unread=unread,
        skipped={"optimizer variables": len(optimizer)},
        model_file=model_file,
        preprocessing=find_preprocessing(model_file),
        epsilon={"masked_lm": HEAD_EPSILON},
        notes=tuple(notes),
    )


def write(source: Source, folder: Path) -> tuple[str, ...]:
    """Writes a preset that KerasHub's `from_preset` loads into an empty `folder`; returns notes.

    Raises:
      InputError: KerasHub cannot build this model.
    """
    check_groups(NAME, source.config)
    notes = check_epsilon(NAME, source, masked_lm=HEAD_EPSILON)
    if source.config.hidden_act != "gelu":
        raise InputError(
            "hidden_act must be 'gelu' (the tanh form), the only activation of KerasHub's ALBERT. "
            f"Received {source.config.hidden_act!r}. Convert to hugging_face, which supports more."
        )
    if source.model_file is not None and is_wordpiece(source.model_file):
        raise InputError(
            "KerasHub's ALBERT has a tokenizer of SentencePiece only. Received "
            f"'{source.model_file.name}' (WordPiece). Convert to hugging_face or tf1."
        )
    with_head = "masked_lm" in source.heads
    write_config(folder, source.config, with_head, source.model_file is not None)
    with h5py.File(folder / _BACKBONE, "w") as file:
        for name, array in differences.identity_projection(NAME, source.config):
            file[name] = array
        for name, array in mapping.to_theirs(NAME, source):
            if "masked_lm" not in name:
                file[name] = array
    if with_head:
        with h5py.File(folder / _TASK, "w") as file:
            for name, array in mapping.to_theirs(NAME, source):
                if "masked_lm" in name:
                    file[name] = array
    return (*notes, *config_notes(source.config))


def write_vocabulary(source: Source, folder: Path) -> tuple[str, ...]:
    """Writes the tokenizer's vocabulary together with our settings; returns notes."""
    if source.model_file is None:
        return ("the source has no vocabulary, so no tokenizer is written",)
    target = folder / _VOCABULARY
    target.parent.mkdir(parents=True)
    shutil.copyfile(source.model_file, target)
    settings = source.preprocessing or Preprocessing()
    settings.to_json_file(path_beside(target))
    notes = (
        "KerasHub's tokenizer neither lower-cases nor strips accents: preprocess text first, as "
        f"specified in {path_beside(_VOCABULARY)}",
    )
    if settings.added_tokens:
        notes += (f"KerasHub's tokenizer splits the {len(settings.added_tokens)} added tokens",)
    return notes


# === Config ===


_MODELS = "keras_hub.src.models.albert"
_BACKBONE_CLASS, _TASK_CLASS, _TOKENIZER_CLASS = (
    "AlbertBackbone",
    "AlbertMaskedLM",
    "AlbertTokenizer",
)
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
        name = read_json(path, "A model config").get("class_name")
    except InputError:
        return False  # Another format may still match the folder and report the error.
    # Presets of KerasNLP name the package too.
    return isinstance(name, str) and name.rpartition(">")[2] == _BACKBONE_CLASS


def read_config(folder: Path) -> AlbertConfig:
    """Reads config.json.

    Raises:
      InputError: a key is unknown or missing, or a value is invalid.
    """
    path = folder / "config.json"
    values = read_json(path, "A model config").get("config", {})
    if not isinstance(values, dict):
        raise InputError(
            f"The config of an AlbertBackbone must be an object. Received {values!r:.80} in "
            f"'{path}'. Correct the file."
        )
    for key in values:
        if key not in (*_NAMES, "dropout", *_UNREAD):
            raise InputError(
                "The config of an AlbertBackbone must contain only known keys, as another may "
                f"change what the model computes. Received {key[:80]!r} in '{path}'. Remove it "
                f"from the file if it does not. {closest(key, [*_NAMES, 'dropout'])}"
            )
    missing = sorted(set(_NAMES) - {"num_segments"} - set(values))
    if missing:
        raise InputError(
            f"The config of an AlbertBackbone must contain all sizes. Received '{path}', which "
            f"lacks {missing}. Add them."
        )
    dropout = values.get("dropout", 0.0)
    return AlbertConfig(
        **{ours: values[theirs] for theirs, ours in _NAMES.items() if theirs in values},
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )


def config_notes(config: AlbertConfig) -> tuple[str, ...]:
    """Returns notes on the parts of a config that a preset cannot store."""
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
            f"written, and reading the preset gives {default}"
        )
    return tuple(lost)


def write_config(folder: Path, config: AlbertConfig, with_head: bool, with_tokenizer: bool) -> None:
    """Writes config.json, metadata.json and, if requested, task.json and tokenizer.json."""
    sizes = {theirs: getattr(config, ours) for theirs, ours in _NAMES.items()}
    values = {"name": "albert_backbone", "trainable": True, "dtype": _policy("float32"), **sizes}
    values["dropout"] = config.hidden_dropout_prob
    backbone = _object("albert_backbone", _BACKBONE_CLASS, values)
    _dump(folder / "config.json", backbone)
    # For human readers; from_preset only requires that the file exists.
    _dump(folder / "metadata.json", {"tasks": ["MaskedLM", "ServedClassifier"]})
    if with_head:
        task = {"backbone": backbone, "preprocessor": None, "name": "albert_masked_lm"}
        _dump(folder / "task.json", _object("albert_masked_lm", _TASK_CLASS, task))
    if with_tokenizer:
        tokenizer = {"name": "albert_tokenizer", "trainable": True, "dtype": _policy("int32")}
        tokenizer |= {"config_file": "tokenizer.json", "proto": None, "sequence_length": None}
        tokenizer |= {"add_bos": False, "add_eos": False}
        _dump(folder / "tokenizer.json", _object("albert_tokenizer", _TOKENIZER_CLASS, tokenizer))


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
