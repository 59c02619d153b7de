"""Invalid numbers and names in an experiment config."""

import re

import pytest
from official.core import config_definitions

from albert_tf.errors import InputError
from albert_tf.pretraining.task import PretrainingConfig
from albert_tf.tasks.classification.config import ClassificationConfig
from albert_tf.tasks.model_config import ModelConfig
from albert_tf.training import checks, optimization


def experiment(**trainer):
    optimizer = optimization.config("lamb", learning_rate=0.1, train_steps=60, warmup_steps=3)
    task = PretrainingConfig(accumulation_steps=3)
    task.train_data.global_batch_size = 12
    task.validation_data.global_batch_size = 4
    settings = dict(train_steps=60, summary_interval=20, steps_per_loop=10)
    return config_definitions.ExperimentConfig(
        task=task,
        trainer=config_definitions.TrainerConfig(
            optimizer_config=optimizer, **{**settings, **trainer}
        ),
    )


def test_a_valid_experiment_passes():
    checks.check(experiment(validation_interval=0, validation_steps=-1), replicas=2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(train_steps=0), "trainer.train_steps must be at least 1. Received 0"),
        (dict(train_steps=-5), "trainer.train_steps must be at least 1. Received -5"),
        (dict(steps_per_loop=0), "trainer.steps_per_loop must be at least 1"),
        (dict(checkpoint_interval=-1), "trainer.checkpoint_interval must be at least 1"),
        (dict(validation_interval=-3), "trainer.validation_interval must be at least 0"),
        (dict(max_to_keep=0), "trainer.max_to_keep must be at least 1. Received 0"),
        (dict(validation_steps=0), "at least 1, or -1 to use all data. Received 0. Set EVAL_S"),
        (dict(steps_per_loop=15), "multiple of steps_per_loop.*Received 20 with steps_per_loop=15"),
    ],
)
def test_invalid_steps_and_intervals_are_errors(changes, message):
    with pytest.raises(InputError, match=message):
        checks.check(experiment(**changes), replicas=1)


@pytest.mark.parametrize(
    ("what", "name", "message"),
    [
        ("optimizer", "albert_lamp", "Received 'albert_lamp'. Closest: albert_lamb"),
        ("learning_rate", "cosin", "learning_rate.type must be .*'cosin'. Closest: cosine"),
    ],
)
def test_unknown_optimizers_and_schedules_are_errors(what, name, message):
    wrong = experiment()
    getattr(wrong.trainer.optimizer_config, what).type = name
    with pytest.raises(InputError, match=message):
        checks.check(wrong, replicas=1)


def test_a_batch_must_divide_evenly_among_replicas_and_micro_batches():
    with pytest.raises(InputError, match="train_data.*Received 12 for 3 x 3. Change BATCH_SIZE"):
        checks.check(experiment(), replicas=3)


def test_an_evaluation_batch_must_divide_evenly_among_replicas():
    wrong = experiment()
    wrong.task.validation_data.global_batch_size = 5
    with pytest.raises(InputError, match="validation_data.global_batch_size.*Received 5 for 2 x 1"):
        checks.check(wrong, replicas=2)


@pytest.mark.parametrize(
    ("hidden", "rate", "hint"),
    [
        (128, 1e-5, "LEARNING_RATE=1e-05 is low for a hidden size of 128, .* 3e-4 to 3e-3;"),
        (
            312,
            1e-5,
            "hidden size of 312, which usually needs 1e-4 to 1e-3; --sweep LEARNING_RATE=1",
        ),
        (128, 3e-4, None),
        (768, 1e-5, None),
        (2048, 1e-6, "hidden size of 2048"),
    ],
)
def test_a_rate_that_is_low_for_the_size_is_said(hidden, rate, hint):
    config = ClassificationConfig(model=ModelConfig(hidden_size=hidden))
    trainer = config_definitions.TrainerConfig(
        optimizer_config=optimization.config(
            optimizer="adamw", learning_rate=rate, warmup_steps=1, train_steps=9
        )
    )
    experiment = config_definitions.ExperimentConfig(task=config, trainer=trainer)
    said = checks.rate_hint(experiment)
    assert re.search(hint, said) if hint else said == ""
