"""Pretraining as an experiment config, for use from Python or by name in Model Garden's driver.

from albert_tf.pretraining import experiment  # registers "albert/pretraining"
experiment = exp_factory.get_exp_config("albert/pretraining")
"""

from __future__ import annotations

from official.core import config_definitions, exp_factory

from albert_tf.pretraining.task import PretrainingConfig
from albert_tf.training import optimization

NAME = "albert/pretraining"


def pretraining(
    *,
    batch_size: int = optimization.PAPER_BATCH,
    train_steps: int = 125_000,
    learning_rate: float = optimization.PAPER_RATE,
    warmup_steps: int = 3125,
    optimizer: str = "lamb",
    eval_interval: int = 5000,
    summary_interval: int = 100,
) -> config_definitions.ExperimentConfig:
    """Returns an experiment with the paper's settings (Lan et al. 2020, section 4.1).

    Everything else is a field of the returned config: `task.model`, `task.vocab_file`,
    `task.train_data.input_path`, `task.validation_data.input_path`, `runtime`, and so on.

    Args:
      batch_size: the number of sequences per update, over all replicas and micro-batches; also the
        batch size of evaluation.
      train_steps: the number of updates, over which the learning rate decays to 0.
      learning_rate: the learning rate at the end of the warm-up.
      warmup_steps: the number of updates over which the learning rate rises.
      optimizer: "lamb" or "adamw".
      eval_interval: the number of updates between evaluations, and between checkpoints.
      summary_interval: the number of updates between summaries.

    Raises:
      InputError: a number is out of range, or the optimizer is unknown.
    """
    task = PretrainingConfig()
    task.train_data.global_batch_size = task.validation_data.global_batch_size = batch_size
    trainer = config_definitions.TrainerConfig(
        optimizer_config=optimization.config(
            optimizer,
            learning_rate=learning_rate,
            train_steps=train_steps,
            warmup_steps=warmup_steps,
            batch_size=batch_size,
        ),
        train_steps=train_steps,
        steps_per_loop=summary_interval,
        summary_interval=summary_interval,
        checkpoint_interval=eval_interval,
        validation_interval=eval_interval,
        loss_upper_bound=30.0,  # About three times the loss of an untrained model.
    )
    runtime = config_definitions.RuntimeConfig(distribution_strategy="off")
    return config_definitions.ExperimentConfig(
        task=task, trainer=trainer, runtime=runtime, restrictions=["task.vocab_file != None"]
    )


exp_factory.register_config_factory(NAME)(pretraining)
