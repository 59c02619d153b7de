"""The config that all fine-tuning tasks share: data files, weights and dropout rates."""

from __future__ import annotations

import dataclasses
from typing import Any

from official.core import config_definitions

from albert_tf.errors import InputError, closest
from albert_tf.tasks.base import AlbertTaskConfig
from albert_tf.tasks.model_config import ModelConfig


@dataclasses.dataclass
class FineTuningDataConfig(config_definitions.DataConfig):
    """The files to read; `input_path` is a file, a glob, or a list of files and globs.

    Attributes:
      seq_length: the maximum sequence length, including special tokens; longer texts are cut.
      bucketed: whether to put texts of similar length in the same batch and pad each batch to its
        longest. False pads all to `seq_length`, for devices that need a fixed shape (TPUs).
      start_step: the step of the first batch; set when a run resumes.
    """

    seq_length: int = 128
    bucketed: bool = True
    is_training: bool = True
    drop_remainder: bool = False
    start_step: int = 0


@dataclasses.dataclass
class FineTuningConfig(AlbertTaskConfig):
    """The config fields that all fine-tuning tasks share.

    Attributes:
      init_from: the weights to start from: a folder, checkpoint or handle in any known format.
      from_scratch: whether to start from random weights of `model` instead; meant for tests and
        trials.
      model: the sizes of the model; read from `init_from` if that is set.
      vocab_file: the vocabulary; the one stored with the weights by default.
      hidden_dropout: the encoder's dropout rate in training; None for the rate in its config.
      attention_dropout: the dropout rate for attention probabilities; None as above.
      classifier_dropout: the dropout rate before the head; None for the rate stored with the
        weights, or 0.1.
      eval_fraction: the fraction of the training data to hold out for evaluation; 0.0 evaluates on
        `validation_data`.
      metric: the metric that selects the best checkpoint; "" for the task's default.
      remove_padding: see `AlbertTaskConfig`; None by default, because texts vary in length.
    """

    init_from: str = ""
    from_scratch: bool = False
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    vocab_file: str = ""
    hidden_dropout: float | None = None
    attention_dropout: float | None = None
    classifier_dropout: float | None = None
    eval_fraction: float = 0.0
    metric: str = ""
    remove_padding: bool | None = None
    train_data: FineTuningDataConfig = dataclasses.field(default_factory=FineTuningDataConfig)
    validation_data: FineTuningDataConfig = dataclasses.field(
        default_factory=lambda: FineTuningDataConfig(is_training=False)
    )


def usual_rates(hidden_size: int) -> tuple[str, str, str]:
    """Returns three learning rates to compare first for a model of a size.

    Those of base and larger models span Lan et al. 2020, table 14. Smaller models need higher ones:
    those for a hidden size of 128 and less are what the small models of the tests and of the
    quickstart learn with, and those between are interpolated.
    """
    if hidden_size >= 512:
        return "1e-5", "3e-5", "1e-4"
    return ("1e-4", "3e-4", "1e-3") if hidden_size > 128 else ("3e-4", "1e-3", "3e-3")


def with_fields(config: FineTuningConfig, **fields: Any) -> FineTuningConfig:
    """Returns a task's config with other values, so that gin binds shared fields in one place.

    Args:
      config: the config of any task.
      **fields: values for fields of `FineTuningConfig` or of the config's own class.

    Raises:
      InputError: a field is unknown, or the config already sets it, and its value would be lost.
    """
    defaults = type(config)()
    known = [field.name for field in dataclasses.fields(config)]
    for name in fields:
        if name not in known:
            raise InputError(
                f"A setting of a task must be a field of {type(config).__name__}. Received "
                f"{name!r}. {closest(name, known)}"
            )
        if getattr(config, name) != getattr(defaults, name):
            raise InputError(
                f"{name} of a task must be set by its macro. Received {getattr(config, name)!r} in "
                f"{type(config).__name__}. See the head of experiments/runs/finetune.gin."
            )
    return dataclasses.replace(config, **fields)
