"""Converts config.json of Hugging Face folders to `AlbertConfig` and back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from albert_tf import task_types
from albert_tf.config import LAYER_NORM_EPSILON, UNUSED_KEYS, AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.formats.source import Source
from albert_tf.task_types import TaskDescription

# In transformers, "gelu" is the exact form; in the original, it is the tanh form.
_ACTIVATIONS = {
    "gelu": "gelu_erf",
    "gelu_new": "gelu",
    "gelu_pytorch_tanh": "gelu",
    "gelu_fast": "gelu",
    "relu": "relu",
    "tanh": "tanh",
    "linear": "linear",
}
_BACK = {"gelu": "gelu_new", "gelu_erf": "gelu", "relu": "relu", "tanh": "tanh", "linear": "linear"}
# The defaults of transformers for missing keys, which are the sizes of xxlarge.
_DEFAULTS = dict(
    hidden_size=4096, num_attention_heads=64, intermediate_size=16384, hidden_act="gelu_new"
)
# Keys for which this package supports only one value.
_FIXED = {"model_type": "albert", "tie_word_embeddings": True}
_FIXED |= {"position_embedding_type": "absolute", "is_decoder": False, "pruned_heads": {}}
_CARRIED = ("layer_norm_eps", "classifier_dropout_prob")
# Keys that do not affect what the model computes.
_UNREAD = (
    "_name_or_path",
    "architectures",
    "bos_token_id",
    "chunk_size_feed_forward",
    "dtype",
    "eos_token_id",
    "finetuning_task",
    "gradient_checkpointing",
    "id2label",
    "label2id",
    "language",
    "layers_to_keep",
    "name",
    "num_labels",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "pad_token_id",
    "problem_type",
    "return_dict",
    "task_specific_params",
    "tokenizer_class",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "use_cache",
)


@dataclasses.dataclass(frozen=True)
class HuggingFaceConfig:
    """The contents of a config.json.

    Attributes:
      config: sizes and rates; `hidden_act` has our name of the activation.
      epsilon: the epsilon of all layer norms.
      classifier_dropout: the dropout rate before a classifier.
      task: the task of the architecture that the weights are for; None for pretraining.
      notes: how the activation's name was interpreted, and what transformers would do differently.
    """

    config: AlbertConfig
    epsilon: float
    classifier_dropout: float
    task: TaskDescription | None
    notes: tuple[str, ...]


def read(path: Path, architecture: str | None = None) -> HuggingFaceConfig:
    """Reads a config.json.

    Args:
      path: the file.
      architecture: the class that the weights are for, in lower case, if they say so. Older
        versions of transformers left the class of another model in the config.

    Raises:
      InputError: the file is not JSON, has an unknown key, or a value that ALBERT does not support.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"A model config must be valid JSON. Received '{path}': {error}."
        ) from error
    fields = [field.name for field in dataclasses.fields(AlbertConfig)]
    known = [*fields, *_FIXED, *_CARRIED, *_UNREAD, *UNUSED_KEYS]
    for key, value in values.items():
        if key not in known:
            raise InputError(
                f"A Hugging Face config must contain only known keys. Received {key!r} in "
                f"'{path}'. {closest(key, [*fields, *_FIXED, *_CARRIED])}"
            )
        if key in _FIXED and value != _FIXED[key]:
            raise InputError(
                f"{key} must be {_FIXED[key]!r}. Received {value!r} in '{path}'. Other variants "
                "of ALBERT are not supported."
            )
    given = {**_DEFAULTS, **{key: values[key] for key in fields if key in values}}
    name = given["hidden_act"]
    if name not in _ACTIVATIONS:
        raise InputError(
            f"hidden_act must be a supported activation. Received {name!r} in '{path}'. "
            f"{closest(str(name), _ACTIVATIONS)}"
        )
    given["hidden_act"] = _ACTIVATIONS[name]
    forms = {"gelu": ", the tanh form", "gelu_erf": ", the exact form with erf"}
    form = forms.get(given["hidden_act"], "")
    return HuggingFaceConfig(
        config=AlbertConfig(**given),
        epsilon=float(values.get("layer_norm_eps", LAYER_NORM_EPSILON)),
        classifier_dropout=float(values.get("classifier_dropout_prob", 0.1)),
        task=_task(values, path, architecture),
        notes=(
            f"hidden_act {name!r} of Hugging Face is {given['hidden_act']!r} in albert_tf{form}",
            *_problem_notes(values),
        ),
    )


def architecture(task: TaskDescription | None) -> str | None:
    """Returns the transformers class for a task, or None without a task.

    Raises:
      InputError: transformers has no model for this task.
    """
    if task is None:
        return None
    if not task.type.hugging_face:
        supported = ", ".join(row.name for row in task_types.all_types() if row.hugging_face)
        raise InputError(
            f"transformers has models for these tasks: {supported}. Received a model for "
            f"{task.task}. Convert it to tf1 or checkpoint."
        )
    return task.type.hugging_face


def _task(
    values: Mapping[str, Any], path: Path, architecture: str | None
) -> TaskDescription | None:
    """Returns the task of an architecture, with the labels from id2label."""
    name = architecture or str(next(iter(values.get("architectures") or ()), "")).lower()
    rows = [row for row in task_types.all_types() if row.hugging_face]
    row = next((row for row in rows if row.hugging_face.lower() == name), None)
    if row is None:
        return None
    if not row.has_labels:
        return TaskDescription(row.name)
    labels = _labels(values, path)
    # transformers trains with mean squared error if there is one label or the config requests it.
    if row.name == "classification":
        return TaskDescription.of_classifier(labels)
    return TaskDescription(row.name, labels)


def _labels(values: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    id2label = values.get("id2label")
    if not id2label:
        return tuple(f"LABEL_{index}" for index in range(values.get("num_labels", 2)))
    try:
        by_id = {int(index): str(label) for index, label in id2label.items()}
        return tuple(by_id[index] for index in range(len(by_id)))
    except (AttributeError, KeyError, ValueError) as error:
        raise InputError(
            "id2label must name the labels 0, 1, 2 and so on. Received "
            f"{id2label!r} in '{path}'. Correct the config."
        ) from error


def _problem_notes(values: Mapping[str, Any]) -> list[str]:
    if values.get("problem_type") != "multi_label_classification":
        return []
    return [
        "problem_type is multi_label_classification: logits are the same, but albert_tf computes "
        "probabilities with a softmax over all labels"
    ]


def _task_values(task: TaskDescription | None) -> dict[str, Any]:
    """Returns the keys of config.json that describe labels."""
    if task is None or not task.type.has_labels:
        return {}
    labels = task.labels or ("LABEL_0",)
    values = {
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    if task.task == "tagging":
        return values
    problem = "single_label_classification" if task.labels else "regression"
    return {**values, "problem_type": problem}


def to_dict(source: Source, architecture: str, epsilon: float) -> Mapping[str, Any]:
    """Returns the config.json for a source.

    Args:
      source: the model.
      architecture: the transformers class that the weights are written for.
      epsilon: the epsilon of all layer norms.
    """
    dropout = source.classifier_dropout
    return {
        "architectures": [architecture],
        "model_type": "albert",
        **source.config.to_dict(),
        "hidden_act": _BACK[source.config.hidden_act],
        "layer_norm_eps": epsilon,
        "classifier_dropout_prob": 0.1 if dropout is None else dropout,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "tie_word_embeddings": True,
        "dtype": "float32",
        **_task_values(source.task),
    }
