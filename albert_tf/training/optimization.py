"""Registers our optimizers and schedule with Model Garden's optimizer factory.

Importing this module registers them, so that Model Garden's own driver can build them too.
"""

from __future__ import annotations

import dataclasses
import math

from absl import logging
from official.modeling import optimization
from official.modeling.hyperparams import base_config
from official.modeling.optimization import optimizer_factory
from official.modeling.optimization.configs import optimizer_config

from albert_tf.errors import InputError, closest
from albert_tf.training.optimizers import (
    EXCLUDED,
    PARTS,
    AdamWeightDecay,
    Lamb,
    WarmupPolynomialDecay,
)

_OPTIMIZERS = {"lamb": ("albert_lamb", Lamb), "adamw": ("albert_adamw", AdamWeightDecay)}
_SCHEDULE = "albert_polynomial"

# Learning rate and batch size of ALBERT's pretraining with LAMB (Lan et al. 2020, section 4.1).
PAPER_RATE, PAPER_BATCH = 0.00176, 4096
# Beyond this factor from the paper's rate, scaled to the batch, the loss may stay flat or diverge.
_FAR = 2.0


@dataclasses.dataclass
class WeightDecayConfig(optimizer_config.BaseOptimizerConfig):
    """Arguments of `optimizers.AdamWeightDecay` and `optimizers.Lamb`."""

    name: str = "optimizer"
    weight_decay_rate: float = 0.01
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-6
    exclude_from_weight_decay: list[str] = dataclasses.field(default_factory=lambda: [*EXCLUDED])
    freeze: str = ""
    freeze_steps: int = 0
    encoder_rate: float = 1.0
    global_clipnorm: float | None = 1.0


@dataclasses.dataclass
class ScheduleConfig(base_config.Config):
    """Arguments of `optimizers.WarmupPolynomialDecay`."""

    initial_learning_rate: float = 0.00176
    decay_steps: int = 125_000
    warmup_steps: int = 3125
    end_learning_rate: float = 0.0
    power: float = 1.0


@dataclasses.dataclass
class OptimizerConfig(optimization.OptimizerConfig):
    """Model Garden's choice of optimizers, extended by ours."""

    albert_lamb: WeightDecayConfig = dataclasses.field(default_factory=WeightDecayConfig)
    albert_adamw: WeightDecayConfig = dataclasses.field(default_factory=WeightDecayConfig)


@dataclasses.dataclass
class LrConfig(optimization.LrConfig):
    """Model Garden's choice of schedules, extended by ours."""

    albert_polynomial: ScheduleConfig = dataclasses.field(default_factory=ScheduleConfig)


@dataclasses.dataclass
class OptimizationConfig(optimization.OptimizationConfig):
    """Model Garden's optimization config, extended by our optimizers and schedule."""

    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    learning_rate: LrConfig = dataclasses.field(default_factory=LrConfig)


def config(
    optimizer: str = "lamb",
    *,
    learning_rate: float,
    train_steps: int,
    warmup_steps: int,
    weight_decay_rate: float = 0.01,
    epsilon: float = 1e-6,
    global_clipnorm: float = 1.0,
    batch_size: int | None = None,
    scale_rate: bool = False,
    freeze: str = "",
    freeze_steps: int = 0,
    encoder_rate: float = 1.0,
) -> OptimizationConfig:
    """Returns the optimization config of a run: optimizer, learning rate and schedule.

    Args:
      optimizer: "lamb" or "adamw".
      learning_rate: peak learning rate, reached at the end of the warm-up.
      train_steps: step at which the learning rate reaches 0.
      warmup_steps: number of steps with a rising learning rate.
      weight_decay_rate: 0.01 as in the original.
      epsilon: 1e-6 as in the original.
      global_clipnorm: gradients are clipped to this global norm.
      batch_size: sequences per step. If given, a warning is logged when the learning rate of LAMB
        is far from the paper's for that batch size.
      scale_rate: whether `learning_rate` is meant for a batch of 4096 sequences and is to be
        multiplied by sqrt(batch_size / 4096).
      freeze: "encoder" or "embeddings": a part that does not change; "" for none.
      freeze_steps: the number of steps for which `freeze` applies; 0 for all.
      encoder_rate: factor of the learning rate for the encoder.

    Raises:
      InputError: the optimizer is unknown, or a number is out of its range.
    """
    if optimizer not in _OPTIMIZERS:
        raise InputError(
            f"optimizer must be a known name. Received {optimizer!r}. "
            f"{closest(optimizer, _OPTIMIZERS)}"
        )
    if train_steps < 1 or not 0 <= warmup_steps <= train_steps or learning_rate <= 0:
        raise InputError(
            "train_steps must be at least 1, warmup_steps must lie in [0, train_steps], and "
            f"learning_rate must be positive. Received train_steps={train_steps}, "
            f"warmup_steps={warmup_steps}, learning_rate={learning_rate}."
        )
    if freeze not in ("", *PARTS) or freeze_steps < 0 or encoder_rate < 0:
        raise InputError(
            f"FREEZE must be empty or one of {', '.join(PARTS)}, and FREEZE_STEPS and ENCODER_RATE "
            f"must not be negative. Received FREEZE={freeze!r}, FREEZE_STEPS={freeze_steps}, "
            f"ENCODER_RATE={encoder_rate}. Change them."
        )
    if scale_rate:
        learning_rate = scaled_rate(learning_rate, batch_size)
    if batch_size and optimizer == "lamb":
        _warn_if_far(learning_rate, batch_size)
    key = _OPTIMIZERS[optimizer][0]
    arguments = WeightDecayConfig(
        name=optimizer,
        weight_decay_rate=weight_decay_rate,
        epsilon=epsilon,
        global_clipnorm=global_clipnorm,
        freeze=freeze,
        freeze_steps=freeze_steps,
        encoder_rate=encoder_rate,
    )
    schedule = ScheduleConfig(
        initial_learning_rate=learning_rate, decay_steps=train_steps, warmup_steps=warmup_steps
    )
    return OptimizationConfig(
        optimizer=OptimizerConfig(type=key, **{key: arguments}),
        learning_rate=LrConfig(type=_SCHEDULE, albert_polynomial=schedule),
    )


def scaled_rate(rate: float, batch_size: int | None) -> float:
    """Scales a learning rate for a batch of 4096 to another batch size, by sqrt(batch_size / 4096).

    Source: You et al. 2020, section 3.

    Raises:
      InputError: the batch size is None or not positive.
    """
    if not batch_size or batch_size < 1:
        raise InputError(
            f"scale_rate needs a positive batch_size. Received batch_size={batch_size!r}. "
            "Set BATCH_SIZE."
        )
    return rate * math.sqrt(batch_size / PAPER_BATCH)


def _warn_if_far(rate: float, batch_size: int) -> None:
    usual = scaled_rate(PAPER_RATE, batch_size)
    if not 1 / _FAR <= rate / usual <= _FAR:
        logging.warning(
            "The LAMB learning rate %.3g with a batch of %d is %.2g times the paper's rate for "
            "that batch, %.3g (%g x sqrt(batch / %d)). With too high a rate the loss stays flat. "
            "Set LEARNING_RATE to the paper's rate, or SCALE_RATE=True to scale yours.",
            rate,
            batch_size,
            rate / usual,
            usual,
            PAPER_RATE,
            PAPER_BATCH,
        )


def _register() -> None:
    for key, cls in _OPTIMIZERS.values():
        if key not in optimizer_factory.LEGACY_OPTIMIZERS_CLS:
            optimizer_factory.register_optimizer_cls(key, cls)
    # Model Garden has no function to register a schedule.
    optimizer_factory.LR_CLS.setdefault(_SCHEDULE, WarmupPolynomialDecay)


_register()
