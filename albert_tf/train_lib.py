"""`run`: one training or evaluation, as gin files and Python callers describe it."""

from __future__ import annotations

import os
from collections.abc import Sequence

import gin
import tf_keras
from official.core import config_definitions, task_factory

from albert_tf.errors import InputError, closest
from albert_tf.training import dry_run, run_folder, runner, runtime
from albert_tf.training.modes import MODES
from albert_tf.training.runner import Action


def run(
    *,
    mode: str,
    model_dir: str | os.PathLike,
    experiment: config_definitions.ExperimentConfig,
    seed: int = 0,
    train_actions: Sequence[Action] = (),
    eval_actions: Sequence[Action] = (),
    only_describe: bool = False,
) -> dict[str, float]:
    """Trains or evaluates; goes on where the folder has a checkpoint.

    Args:
      mode: one of `training.modes.MODES`.
      model_dir: gets checkpoints, TensorBoard summaries, history.jsonl, config.gin,
        albert_config.json and the vocabulary, so that it can be exported as it is.
      experiment: Model Garden's experiment config: task, trainer, runtime.
      seed: of weights, dropout and data order.
      train_actions: called with the outputs of every train loop.
      eval_actions: called with the outputs of every evaluation.
      only_describe: build the model and one batch, print what would run, write nothing.

    Returns:
      The metrics of the last evaluation; of the last train loop if there was none.

    Raises:
      InputError: mode, folder, data or config break a rule; nothing was written then.
    """
    if mode not in MODES:
        raise InputError(f"--mode must be known. Received {mode!r}. {closest(mode, MODES)}")
    folder = run_folder.check(model_dir)
    if experiment.task.train_data.seed is None:
        experiment.task.train_data.seed = seed
    tf_keras.utils.set_random_seed(seed)
    distribution = runner.strategy(experiment.runtime)
    task = task_factory.get_task(experiment.task, logging_dir=str(folder))
    task.check()
    with runtime.precision(experiment.runtime):
        runtime.compile_step(task, experiment.runtime)
        if only_describe:
            print(dry_run.describe(task, experiment, distribution))
            return {}
        config = experiment.task.model.to_albert_config()
        run_folder.prepare(folder, config, task.folder_files())
        metrics = runner.run(
            task, experiment, mode, str(folder), distribution, train_actions, eval_actions
        )
    run_folder.write_gin(folder / run_folder.OPERATIVE_CONFIG, gin.operative_config_str())
    if mode != "train":
        print(task.report(metrics))
    return metrics
