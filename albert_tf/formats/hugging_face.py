"""Hugging Face folders: config.json, model.safetensors, spiece.model or vocab.txt, and more.

`weight_files` reads the weights, `sentence_transformers` what is beside them for embeddings.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from albert_tf.config import LAYER_NORM_EPSILON, AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats import (
    bert_tokenizer,
    differences,
    hugging_face_config,
    mapping,
    sentence_transformers,
)
from albert_tf.formats.differences import check_epsilon, check_groups
from albert_tf.formats.sentence_transformers import Modules
from albert_tf.formats.source import Source, Stored
from albert_tf.formats.weight_files import find_weights, notes_on_files, read_arrays
from albert_tf.task_types import EMBEDDING, TaskDescription
from albert_tf.task_types import FILE as TASK
from albert_tf.tokenization import added_token_files
from albert_tf.tokenization.model_files import (
    TOKENIZER_CONFIG,
    find_model_file,
    find_preprocessing,
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
    modules = sentence_transformers.read(path)
    source = _read_model(sentence_transformers.transformer(path), config, modules)
    return sentence_transformers.described(source, path, modules)


def _read_model(path: Path, config: AlbertConfig | None, modules: Modules | None = None) -> Source:
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
    if f"{_ENCODER}pooler.weight" in stored and task is not None and not task.head:
        task = None  # With a pooler, this is a pretrained model rather than a task model.
    ours = TaskDescription.beside(path)
    if ours is not None and task is not None and hugging_face_config.agree(ours, task):
        task = ours  # Our description also contains the settings of the inputs.
    stored = differences.without_identity_projection(NAME, stored, config)
    if modules is not None:
        sentence_transformers.check_chain(modules, config.hidden_size, path)
        task, stored = modules.task, {**stored, **modules.stored}
    weights, unread = mapping.to_ours(NAME, stored, config, path, task)
    model_file = find_model_file(path)
    notes = [*theirs.notes, *notes_on_files(path)]
    if model_file is None and (path / "tokenizer.json").is_file():
        notes.append("tokenizer.json is ignored; the tokenizer requires spiece.model or vocab.txt")
    elif model_file is not None and path not in model_file.parents:
        notes.append("the SentencePiece model is made of tokenizer.json")
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
    embeds = source.task is not None and source.task.task == EMBEDDING
    if embeds:
        source = sentence_transformers.as_theirs(source)
    epsilon = source.epsilon.get("encoder", LAYER_NORM_EPSILON)
    notes = list(check_epsilon(NAME, source, encoder=epsilon, masked_lm=epsilon))
    architecture = hugging_face_config.architecture(source.task) or _ARCHITECTURES.get(
        source.heads, "AlbertForPreTraining"
    )
    arrays = dict(differences.identity_projection(NAME, source.config))
    arrays.update(mapping.to_theirs(NAME, source))
    if embeds:
        layers = {name: arrays.pop(name) for name in [*arrays] if name.startswith("dense.")}
        arrays = {name: array for name, array in arrays.items() if not name.startswith(_HEADS)}
        notes += sentence_transformers.write(source, layers, folder)
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
    absent = [head for head in _HEADS if task.head or head != _HEADS[0]]
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
    contents = {TOKENIZER_CONFIG: values, added_token_files.SPECIAL_FILE: dict(_SPECIAL)}
    if settings.added_tokens:
        added = added_token_files.to_files(settings.added_tokens, *contents.values())
        contents[added_token_files.FILE] = added
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
        return find_preprocessing(model_file)
    return hugging_face_settings(model_file)
