"""What every fine-tuning task takes: files, weights, rates."""

from __future__ import annotations

import dataclasses
from typing import Any

from official.core import config_definitions

from albert_tf.errors import InputError
from albert_tf.tasks.base import AlbertTaskConfig
from albert_tf.tasks.model_config import ModelConfig


@dataclasses.dataclass
class FineTuningDataConfig(config_definitions.DataConfig):
    """Files to read; `input_path` is a file, a glob, or a list of them.

    Attributes:
      seq_length: the longest sequence, special tokens included; longer texts are cut.
      bucketed: put texts of like length together and pad each batch to its longest; False pads all
        to `seq_length`, for devices that need one shape (TPUs).
      start_step: the step whose batch comes first; set where a run goes on.
    """

    seq_length: int = 128
    bucketed: bool = True
    is_training: bool = True
    drop_remainder: bool = False
    start_step: int = 0


@dataclasses.dataclass
class FineTuningConfig(AlbertTaskConfig):
    """What every fine-tuning task takes.

    Attributes:
      init_from: weights to begin with: a folder, checkpoint or handle of any known format.
      from_scratch: begin with random weights of `model` instead; meant for tests and trials.
      model: sizes; read from `init_from` where that is set.
      vocab_file: the SentencePiece model; by default the one that lies with the weights.
      hidden_dropout: the encoder's rate in training; None for what its config says.
      attention_dropout: likewise, on attention probabilities.
      classifier_dropout: in front of the head; None for what the weights say, or 0.1.
      metric: which metric tells the best checkpoint; "" for the task's own choice.
      remove_padding: as above; None by default, as texts differ in length.
    """

    init_from: str = ""
    from_scratch: bool = False
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    vocab_file: str = ""
    hidden_dropout: float | None = None
    attention_dropout: float | None = None
    classifier_dropout: float | None = None
    metric: str = ""
    remove_padding: bool | None = None
    train_data: FineTuningDataConfig = dataclasses.field(default_factory=FineTuningDataConfig)
    validation_data: FineTuningDataConfig = dataclasses.field(
        default_factory=lambda: FineTuningDataConfig(is_training=False)
    )


def with_fields(config: FineTuningConfig, **fields: Any) -> FineTuningConfig:
    """Returns a task's config with other values, so that gin binds in one place what tasks share.

    Args:
      config: of any task.
      **fields: of `FineTuningConfig`, or of the config's own class.

    Raises:
      InputError: the config has a value of its own for one of them, which would be lost.
    """
    defaults = type(config)()
    for name in fields:
        if getattr(config, name) != getattr(defaults, name):
            raise InputError(
                f"{name} of a task must be set by its macro. Received {getattr(config, name)!r} in "
                f"{type(config).__name__}. See the head of experiments/runs/finetune.gin."
            )
    return dataclasses.replace(config, **fields)
