"""Writes the hyperparameters of a run to TensorBoard's HParams and Text pages."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf
from official.core import config_definitions

Value = bool | int | float | str


def of(experiment: config_definitions.ExperimentConfig) -> dict[str, Value]:
    """Returns the hyperparameters, keyed by path, such as `task.model.hidden_size`.

    File paths, intervals, unset values, and optimizers and schedules that are not used are omitted.
    """
    config = experiment.as_dict()
    optimization = config["trainer"]["optimizer_config"]
    chosen = {
        f"{part}.{name}": value
        for part in ("optimizer", "learning_rate")
        for name, value in _leaves(_chosen(optimization[part]))
    }
    task = config["task"]
    data = task["train_data"]
    data = {key: data[key] for key in data if key.endswith(("seq_length", "batch_size", "seed"))}
    settings = {
        "task": {key: value for key, value in task.items() if not key.endswith(("_data", "_file"))},
        "train_data": data,
        "train_steps": config["trainer"]["train_steps"],
        "mixed_precision_dtype": config["runtime"]["mixed_precision_dtype"] or "float32",
        "distribution_strategy": config["runtime"]["distribution_strategy"],
    }
    return dict(_leaves(settings)) | chosen


def write(model_dir: str | os.PathLike, experiment: config_definitions.ExperimentConfig) -> None:
    """Writes the hyperparameters to the event files in `model_dir`/train."""
    from tensorboard.plugins.hparams import api

    values = of(experiment)
    table = "\n".join(f"| {name} | {value} |" for name, value in values.items())
    with tf.summary.create_file_writer(os.path.join(model_dir, "train")).as_default(step=0):
        api.hparams(values)
        tf.summary.text("hyperparameters", f"| setting | value |\n|---|---|\n{table}")


def _chosen(one_of: Mapping[str, Any]) -> dict[str, Any]:
    name = one_of["type"]
    return {"type": name, **(one_of.get(name) or {})}


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Value]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        elif isinstance(value, Value) and value != "":
            yield f"{prefix}{name}", value
        elif isinstance(value, list | tuple) and value:
            yield f"{prefix}{name}", ", ".join(map(str, value))
