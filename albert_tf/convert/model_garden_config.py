"""Where Model Garden's folders tell the sizes of the encoder, which its checkpoints do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from albert_tf.config import MODEL_GARDEN_ARGUMENTS, AlbertConfig
from albert_tf.convert.tf1 import CONFIG
from albert_tf.errors import InputError, closest

ARGUMENTS, PARAMS = "encoder_config.json", "params.yaml"
# Arguments of Model Garden's AlbertEncoder and fields of its AlbertEncoderConfig.
_NAMES = MODEL_GARDEN_ARGUMENTS | {
    "max_position_embeddings": "max_position_embeddings",
    "hidden_activation": "hidden_act",
    "initializer_range": "initializer_range",
}
_UNREAD = ("initializer", "dict_outputs", "name")
# Model Garden calls the tanh form "gelu" too (official.modeling.activations.gelu).
_ACTIVATIONS = {"gelu": "gelu", "Text>gelu": "gelu", "relu": "relu", "tanh": "tanh"}


def read(folder: Path) -> AlbertConfig:
    """Returns the config that lies in a folder of checkpoints.

    It is looked for in albert_config.json, in encoder_config.json (arguments of AlbertEncoder), and
    in the params.yaml that Model Garden's train.py writes (task.model.encoder.albert).

    Raises:
      InputError: none is there, or it breaks a rule.
    """
    if (folder / CONFIG).is_file():
        return AlbertConfig.from_json_file(folder / CONFIG)
    if (folder / ARGUMENTS).is_file():
        values = json.loads((folder / ARGUMENTS).read_text(encoding="utf-8"))
        return from_arguments(values, folder / ARGUMENTS)
    if (folder / PARAMS).is_file():
        values: Any = yaml.safe_load((folder / PARAMS).read_text(encoding="utf-8"))
        for key in ("task", "model", "encoder", "albert"):
            values = values.get(key) if isinstance(values, dict) else None
        if isinstance(values, dict):
            return from_arguments(values, folder / PARAMS)
    raise InputError(
        "A Model Garden checkpoint does not tell its number of layers, so that a config must lie "
        f"beside it. Received '{folder}' without {CONFIG}, {ARGUMENTS}, or a {PARAMS} with "
        "task.model.encoder.albert. Add one, or pass config=AlbertConfig(...)."
    )


def from_arguments(values: dict[str, Any], where: Path) -> AlbertConfig:
    """Returns the config for arguments of Model Garden's encoder.

    Raises:
      InputError: a name is unknown, or a value breaks a rule.
    """
    for key in values:
        if key not in (*_NAMES, *_UNREAD):
            raise InputError(
                f"Arguments of Model Garden's AlbertEncoder must be known. Received {key!r} in "
                f"'{where}'. {closest(key, _NAMES)}"
            )
    ours = {_NAMES[key]: value for key, value in values.items() if key in _NAMES}
    activation = ours.get("hidden_act", "gelu")
    if isinstance(activation, dict):  # As Keras serializes a function.
        activation = activation.get("config")
    initializer = values.get("initializer")
    if isinstance(initializer, dict) and "stddev" in initializer.get("config", {}):
        ours["initializer_range"] = initializer["config"]["stddev"]
    if activation not in _ACTIVATIONS:
        raise InputError(
            f"The activation must be known here. Received {activation!r} in '{where}'. "
            f"{closest(str(activation), _ACTIVATIONS)}"
        )
    return AlbertConfig(**{**ours, "hidden_act": _ACTIVATIONS[activation]})
