"""KerasHub preset folders: config.json, model.weights.h5, the head in task.*, assets/tokenizer.

KerasHub has no sentence-order head, one dropout rate, the tanh gelu only, and epsilon 1e-5 in the
layer norm of its masked-LM head.
"""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import h5py
import numpy as np

from albert_tf.config import AlbertConfig
from albert_tf.convert import keras_hub_config, mapping, projection
from albert_tf.convert.epsilons import check_epsilon
from albert_tf.convert.groups import check_groups
from albert_tf.convert.source import Source, Stored
from albert_tf.convert.vocabulary_files import find_model_file, find_preprocessing
from albert_tf.errors import InputError
from albert_tf.tokenization.settings import Preprocessing, path_beside

NAME = "keras_hub"
NEEDS = "config.json (AlbertBackbone), model.weights.h5, assets/tokenizer/vocabulary.spm"
HEAD_EPSILON = 1e-5  # keras_hub.layers.MaskedLMHead's default, which AlbertMaskedLM keeps.
_BACKBONE, _TASK = "model.weights.h5", "task.weights.h5"
_VOCABULARY = Path("assets/tokenizer/vocabulary.spm")


def matches(path: Path) -> bool:
    """Whether a KerasHub preset of an AlbertBackbone lies there."""
    return keras_hub_config.is_preset(path)


def read(path: Path, config: AlbertConfig | None = None) -> Source:
    """Reads a preset that KerasHub or this package wrote, with the masked-LM head if it has one.

    Args:
      path: the folder.
      config: in place of the folder's config.json.

    Raises:
      InputError: the config breaks a rule, a shape does not fit it, or files are broken.
    """
    config = config or keras_hub_config.read(path)
    check_groups(NAME, config)
    if not (path / _BACKBONE).is_file():
        raise InputError(f"A KerasHub preset must hold {_BACKBONE}. Received '{path}' without.")
    stored = _arrays(path / _BACKBONE)
    if (path / _TASK).is_file():
        stored |= _arrays(path / _TASK)
    optimizer = [name for name in stored if name.startswith("optimizer/")]
    for name in optimizer:
        del stored[name]
    stored = projection.without_identity(NAME, stored, config)
    weights, unread = mapping.to_ours(NAME, stored, config, path)
    model_file = find_model_file(path)
    notes = []
    if model_file and not path_beside(model_file).is_file():
        notes.append(
            "KerasHub's tokenizer neither lower-cases nor strips accents, but its models are the "
            "released ones, whose settings are taken: lower case, no accents"
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
    """Writes a preset that `from_preset` of KerasHub loads, into an empty `folder`; returns notes.

    Raises:
      InputError: KerasHub cannot build such a model.
    """
    check_groups(NAME, source.config)
    notes = check_epsilon(NAME, source, masked_lm=HEAD_EPSILON)
    if source.config.hidden_act != "gelu":
        raise InputError(
            "hidden_act must be 'gelu', the tanh form, which is all that KerasHub's ALBERT has. "
            f"Received {source.config.hidden_act!r}. Convert to hugging_face, which has more."
        )
    with_head = "masked_lm" in source.heads
    keras_hub_config.write(folder, source.config, with_head, source.model_file is not None)
    with h5py.File(folder / _BACKBONE, "w") as file:
        for name, array in projection.identity(NAME, source.config):
            file[name] = array
        for name, array in mapping.to_theirs(NAME, source):
            if "masked_lm" not in name:
                file[name] = array
    if with_head:
        with h5py.File(folder / _TASK, "w") as file:
            for name, array in mapping.to_theirs(NAME, source):
                if "masked_lm" in name:
                    file[name] = array
    return (*notes, *keras_hub_config.notes(source.config))


def write_vocabulary(source: Source, folder: Path) -> tuple[str, ...]:
    """Writes the tokenizer's vocabulary with our settings beside it; returns notes."""
    if source.model_file is None:
        return ("no SentencePiece model lies with the source: no tokenizer is written",)
    target = folder / _VOCABULARY
    target.parent.mkdir(parents=True)
    shutil.copyfile(source.model_file, target)
    (source.preprocessing or Preprocessing()).to_json_file(path_beside(target))
    return (
        "KerasHub's tokenizer neither lower-cases nor strips accents: treat text beforehand as "
        f"{path_beside(_VOCABULARY)} tells",
    )


def _arrays(path: Path) -> dict[str, Stored]:
    """Returns the datasets of a file by path, each read when it is asked for.

    Raises:
      InputError: the file is damaged.
    """
    found: dict[str, Stored] = {}

    def visit(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = Stored(tuple(item.shape), functools.partial(_read, path, name))

    try:
        with h5py.File(path) as file:
            file.visititems(visit)
    except OSError as error:
        raise InputError(
            f"A weights file must be whole. Received '{path}', which HDF5 cannot read: {error}. "
            "Copy or download it again."
        ) from error
    return found


def _read(path: Path, name: str) -> np.ndarray:
    with h5py.File(path) as file:
        return file[name][()]
