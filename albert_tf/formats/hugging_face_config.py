"""Converts config.json of Hugging Face folders to `AlbertConfig` and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from albert_tf import task_types
from albert_tf.config import LAYER_NORM_EPSILON, UNUSED_KEYS, AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.files import read_json
from albert_tf.formats.source import Source
from albert_tf.task_types import EMBEDDING, TaskDescription

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
_FIXED |= {"add_cross_attention": False, "ln_type": "postln"}
_MOST_LABELS = 1_000_000
# The tasks of AlbertForSequenceClassification by problem_type.
PROBLEMS = {
    "single_label_classification": "classification",
    "multi_label_classification": "multi_label",
    "regression": "regression",
}
_CARRIED = ("layer_norm_eps", "classifier_dropout_prob")
# Keys of transformers 2 to 5 that do not affect what an ALBERT model computes.
# fmt: off
_UNREAD = frozenset([
    # The model in general.
    "_attn_implementation", "_attn_implementation_autoset", "_attn_implementation_internal",
    "_commit_hash", "_experts_implementation", "_name_or_path", "_num_labels",
    "_output_attentions", "architectures", "attn_implementation", "auto_map",
    "chunk_size_feed_forward", "cross_attention_hidden_size", "custom_pipelines", "dtype",
    "experts_implementation", "finetuning_task", "gradient_checkpointing", "id2label",
    "is_encoder_decoder", "keys_to_ignore_at_inference", "label2id", "language", "layers_to_keep",
    "name", "name_or_path", "num_labels", "output_attentions", "output_hidden_states",
    "output_past", "problem_type", "return_dict", "task_specific_params", "tf_legacy_loss",
    "tie_encoder_decoder", "torch_dtype", "torchscript", "transformers_version", "use_bfloat16",
    "use_cache", "use_return_dict", "xla_device",
    # Tokenizers.
    "bos_token_id", "cls_token_id", "decoder_start_token_id", "eos_token_id", "mask_token_id",
    "model_max_length", "pad_token_id", "prefix", "sep_token_id", "tokenizer_class",
    "unk_token_id",
    # Generation.
    "bad_words_ids", "begin_suppress_tokens", "diversity_penalty", "do_sample", "early_stopping",
    "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty", "forced_bos_token_id",
    "forced_eos_token_id", "length_penalty", "max_length", "max_new_tokens", "min_length",
    "min_new_tokens", "no_repeat_ngram_size", "num_beam_groups", "num_beams",
    "num_return_sequences", "output_scores", "remove_invalid_values", "repetition_penalty",
    "return_dict_in_generate", "suppress_tokens", "temperature", "top_k", "top_p", "typical_p",
    # BERT, whose configs some configs of ALBERT were made from.
    "directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers",
    "pooler_size_per_head", "pooler_type",
])
# fmt: on


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
    values = read_json(path, "A model config")
    fields = [field.name for field in dataclasses.fields(AlbertConfig)]
    known = [*fields, *_FIXED, *_CARRIED, *_UNREAD, *UNUSED_KEYS]
    for key, value in values.items():
        if key not in known:
            raise InputError(
                "A Hugging Face config must contain only known keys, as another may change what "
                f"the model computes. Received {key[:80]!r} in '{path}'. Remove it from the file "
                f"if it does not. {closest(key, [*fields, *_FIXED, *_CARRIED])}"
            )
        if key in _FIXED and value is not None and value != _FIXED[key]:
            raise InputError(
                f"{key} must be {_FIXED[key]!r}. Received {value!r:.200} in '{path}'. Other "
                "variants of ALBERT are not supported."
            )
    given = {**_DEFAULTS, **{key: values[key] for key in fields if key in values}}
    name = given["hidden_act"]
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise InputError(
            f"hidden_act must be a supported activation. Received {name!r:.80} in '{path}'. "
            f"{closest(str(name)[:80], _ACTIVATIONS)}"
        )
    given["hidden_act"] = _ACTIVATIONS[name]
    forms = {"gelu": ", the tanh form", "gelu_erf": ", the exact form with erf"}
    form = forms.get(given["hidden_act"], "")
    return HuggingFaceConfig(
        config=AlbertConfig(**given),
        epsilon=_number(values, "layer_norm_eps", LAYER_NORM_EPSILON, path),
        classifier_dropout=_number(values, "classifier_dropout_prob", 0.1, path),
        task=_task(values, path, architecture),
        notes=(
            f"hidden_act {name!r} of Hugging Face is {given['hidden_act']!r} in albert_tf{form}",
        ),
    )


def _number(values: Mapping[str, Any], key: str, default: float, path: Path) -> float:
    value = default if values.get(key) is None else values[key]
    if type(value) not in (int, float) or not 0 <= value < 1:
        raise InputError(
            f"{key} must be a number in [0, 1). Received {value!r:.80} in '{path}'. Correct it."
        )
    return float(value)


def architecture(task: TaskDescription | None) -> str | None:
    """Returns the transformers class for a task, or None without a task.

    Raises:
      InputError: transformers has no model for this task.
    """
    if task is None:
        return None
    if task.task == EMBEDDING:
        return "AlbertModel"
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
    names = values.get("architectures") or ()
    if not isinstance(names, (list, tuple)):
        raise InputError(
            f"architectures must be a list of names. Received {names!r:.80} in '{path}'. Correct "
            "the config."
        )
    name = architecture or str(next(iter(names), "")).lower()
    rows = [row for row in task_types.all_types() if row.hugging_face]
    row = next((row for row in rows if row.hugging_face.lower() == name), None)
    if row is None:
        return None
    if not row.has_labels:
        return TaskDescription(row.name)
    labels = _labels(values, path)
    if row.name == "classification":
        return _classifier(values, labels, path)
    return TaskDescription(row.name, labels)


def _classifier(values: Mapping[str, Any], labels: tuple[str, ...], path: Path) -> TaskDescription:
    """Returns the task of AlbertForSequenceClassification, which problem_type determines.

    transformers trains with mean squared error if there is one label and no problem_type.
    """
    problem = values.get("problem_type")
    if problem is not None and (not isinstance(problem, str) or problem not in PROBLEMS):
        raise InputError(
            f"problem_type must be a problem of transformers. Received {problem!r:.80} in "
            f"'{path}'. {closest(str(problem)[:80], PROBLEMS)}"
        )
    several = {"multi_label_classification": 1, "regression": 2}.get(problem, len(labels) + 1)
    if len(labels) >= several:
        return TaskDescription(PROBLEMS[problem], labels)
    return TaskDescription.of_classifier(labels)


def agree(ours: TaskDescription, theirs: TaskDescription) -> bool:
    """Returns whether a task.json describes the task in config.json, which users may change."""
    problems = {ours.task, theirs.task}
    same = len(problems) == 1 or not problems <= {*PROBLEMS.values()}
    return same and ours.labels == theirs.labels


def _labels(values: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    id2label = values.get("id2label")
    if not id2label:
        count = values.get("num_labels", 2)
        if type(count) is not int or not 0 < count <= _MOST_LABELS:
            raise InputError(
                f"num_labels must be a number from 1 to {_MOST_LABELS}. Received {count!r:.80} in "
                f"'{path}'. Correct the config."
            )
        return tuple(f"LABEL_{index}" for index in range(count))
    try:
        by_id = {int(index): str(label) for index, label in id2label.items()}
        return tuple(by_id[index] for index in range(len(by_id)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            "id2label must name the labels 0, 1, 2 and so on. Received "
            f"{id2label!r:.200} in '{path}'. Correct the config."
        ) from error


def _task_values(task: TaskDescription | None) -> dict[str, Any]:
    """Returns the keys of config.json that describe labels."""
    if task is None or not task.type.has_labels:
        return {}
    labels = task.labels or ("LABEL_0",)
    values = {
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    problems = [problem for problem, name in PROBLEMS.items() if name == task.task]
    return {**values, "problem_type": problems[0]} if problems else values


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
