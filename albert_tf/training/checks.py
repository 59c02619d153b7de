"""Checks the numbers and names in an experiment config before any work starts."""

from __future__ import annotations

from official.core import config_definitions
from official.modeling.hyperparams import oneof
from official.modeling.optimization import optimizer_factory

from albert_tf.errors import InputError, closest
from albert_tf.tasks.fine_tuning_config import FineTuningConfig, usual_rates

_LEAST = dict(
    train_steps=1,
    steps_per_loop=1,
    summary_interval=1,
    checkpoint_interval=1,
    validation_interval=0,  # evaluates only at the end
    max_to_keep=1,
)


def check(experiment: config_definitions.ExperimentConfig, replicas: int) -> None:
    """Checks steps, intervals, batch sizes, optimizer and schedule.

    Args:
      experiment: config of task, trainer and runtime.
      replicas: number of replicas that share a batch.

    Raises:
      InputError: a rule is broken; only the first one is reported.
    """
    trainer = experiment.trainer
    for name, least in _LEAST.items():
        if getattr(trainer, name) < least:
            raise InputError(
                f"trainer.{name} must be at least {least}. Received {getattr(trainer, name)}."
            )
    if trainer.validation_steps < 1 and trainer.validation_steps != -1:
        raise InputError(
            "trainer.validation_steps must be at least 1, or -1 to use all data. Received "
            f"{trainer.validation_steps}. Set EVAL_STEPS."
        )
    if trainer.summary_interval % trainer.steps_per_loop:
        raise InputError(
            "trainer.summary_interval must be a multiple of steps_per_loop, since summaries are "
            f"written between loops. Received {trainer.summary_interval} with "
            f"steps_per_loop={trainer.steps_per_loop}. Set STEPS_PER_LOOP to a divisor."
        )
    if trainer.loss_upper_bound <= 0:
        raise InputError(
            "trainer.loss_upper_bound must be positive. Received "
            f"{trainer.loss_upper_bound}. Set LOSS_UPPER_BOUND."
        )
    optimization = trainer.optimizer_config
    known = optimizer_factory.LEGACY_OPTIMIZERS_CLS | optimizer_factory.NEW_OPTIMIZERS_CLS
    _check_choice("optimizer", optimization.optimizer, known)
    _check_choice("learning_rate", optimization.learning_rate, optimizer_factory.LR_CLS)
    _check_split(experiment, replicas)
    dropout = getattr(experiment.task, "classifier_dropout", None)
    if dropout is not None and not 0 <= dropout < 1:
        raise InputError(
            f"classifier_dropout must lie in [0, 1). Received {dropout}. Set CLASSIFIER_DROPOUT."
        )


def rate_hint(experiment: config_definitions.ExperimentConfig) -> str:
    """Returns a hint if fine-tuning has a rate that is far too low for the size; "" otherwise."""
    task, rates = experiment.task, experiment.trainer.optimizer_config.learning_rate
    if not isinstance(task, FineTuningConfig):
        return ""
    rate = getattr(getattr(rates, rates.type), "initial_learning_rate", None)
    usual = usual_rates(task.model.hidden_size)
    if not isinstance(rate, float) or rate >= float(usual[0]) / 2:
        return ""
    return (
        f"hint: LEARNING_RATE={rate:g} is low for a hidden size of {task.model.hidden_size}, which "
        f"usually needs {usual[0]} to {usual[2]}; --sweep LEARNING_RATE={','.join(usual)} compares."
    )


def check_seed(seed: int) -> None:
    """Raises `InputError` unless NumPy and TensorFlow both take the seed."""
    if not 0 <= seed < 2**32:
        raise InputError(f"SEED must lie in [0, 2**32). Received {seed}. Set another SEED.")


def _check_choice(what: str, chosen: oneof.OneOfConfig, known: dict) -> None:
    options = [name for name in known if hasattr(chosen, name)]
    if chosen.type not in options:
        raise InputError(
            f"trainer.optimizer_config.{what}.type must be a known name. Received "
            f"{chosen.type!r}. {closest(str(chosen.type), options)}"
        )


def _check_split(experiment: config_definitions.ExperimentConfig, replicas: int) -> None:
    steps = experiment.task.accumulation_steps
    for name, parts in (("train_data", steps), ("validation_data", 1)):
        size = getattr(experiment.task, name).global_batch_size
        if parts < 1 or size < 1 or size % (replicas * parts):
            raise InputError(
                f"{name}.global_batch_size, which all replicas share, must be a positive multiple "
                "of the number of replicas times accumulation_steps. Received "
                f"{size} for {replicas} x {parts}. Change BATCH_SIZE, EVAL_BATCH_SIZE or "
                "ACCUMULATION_STEPS."
            )
