"""Runs one training or evaluation, configured by gin files or by Python code."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from pathlib import Path

import gin
import numpy as np
import tensorflow as tf
import tf_keras
from official.core import base_task, config_definitions, task_factory

from albert_tf.errors import InputError, closest
from albert_tf.files import check_writable
from albert_tf.tasks.distillation.config import DistillationConfig
from albert_tf.training import (
    MODES,
    best_checkpoint,
    checkpoints,
    checks,
    dry_run,
    hyperparameters,
    run_folder,
    runtime,
    stopping,
    strategies,
)
from albert_tf.training.best_checkpoint import BestExport, Export
from albert_tf.training.runner import Action, Runner


def run(
    *,
    mode: str,
    model_dir: str | os.PathLike,
    experiment: config_definitions.ExperimentConfig,
    seed: int = 0,
    patience: int = 0,
    export_best: tuple[str | os.PathLike, Export] | None = None,
    train_actions: Sequence[Action] = (),
    eval_actions: Sequence[Action] = (),
    only_describe: bool = False,
) -> dict[str, float]:
    """Trains or evaluates, and resumes from the newest checkpoint in the folder.

    Batches and dropout masks depend only on seed and step, so a run that was killed and resumed
    ends with the same weights as an uninterrupted run.

    Args:
      mode: one of `training.MODES`.
      model_dir: folder for checkpoints, TensorBoard summaries, history.jsonl, config.gin,
        albert_config.json and the vocabulary, which together are a model that can be exported. All
        workers of a run share the folder.
      experiment: Model Garden's experiment config with task, trainer and runtime.
      seed: seed of weights, dropout and data order.
      patience: stop after this many evaluations in a row without improvement; 0 means never.
      export_best: a folder, and a function that exports a model folder to it. It is called after
        each evaluation with a new best checkpoint (`experiment.trainer.best_checkpoint_*`).
      train_actions: called with the outputs of each train loop.
      eval_actions: called with the outputs of each evaluation.
      only_describe: build the model and one batch, print what would run, and write nothing.

    Returns:
      The metrics of the last evaluation, or of the last train loop if there was no evaluation.

    Raises:
      InputError: mode, folder, weights, data or config are wrong, and nothing was written; or,
        later in the run, a checkpoint could not be written or the loss diverged.
      SystemExit: SIGTERM was received during training. A checkpoint was saved; the exit status is
        143.
      KeyboardInterrupt: Ctrl-C was pressed. If training, a checkpoint was saved.
    """
    if mode not in MODES:
        raise InputError(f"--mode must be known. Received {mode!r}. {closest(mode, MODES)}")
    folder = run_folder.check(model_dir, mode)
    checks.check_seed(seed)
    experiment = copy.deepcopy(experiment)  # The run fills in settings; the caller's stay as is.
    if "train" not in mode:  # Only training needs a teacher, which may be gone.
        experiment.task.distillation = DistillationConfig()
    if experiment.task.train_data.seed is None:
        experiment.task.train_data.seed = seed
    distribution = strategies.build(experiment.runtime)
    tf_keras.utils.set_random_seed(seed)
    checks.check(experiment, distribution.num_replicas_in_sync)
    runtime.decide_padding(experiment.task, experiment.runtime)
    task = task_factory.get_task(experiment.task, logging_dir=str(folder))
    task.check()
    if "train" in mode and (hint := checks.rate_hint(experiment)):
        print(hint)
    settings = experiment.trainer
    settings.best_checkpoint_eval_metric = settings.best_checkpoint_eval_metric or task.best_metric
    eval_actions = [
        *_exports(folder, experiment, mode, export_best),
        *eval_actions,
        *(stopping.early_stop_actions(settings, patience, folder) if mode != "eval" else ()),
    ]
    with task.reading(), runtime.precision(experiment.runtime):
        runtime.compile_step(task, experiment.runtime)
        if only_describe:
            print(dry_run.describe(task, experiment, distribution))
            return {}
        return _run(task, experiment, mode, folder, distribution, list(train_actions), eval_actions)


def _run(
    task: base_task.Task,
    experiment: config_definitions.ExperimentConfig,
    mode: str,
    folder: Path,
    distribution: tf.distribute.Strategy,
    train_actions: list[Action],
    eval_actions: list[Action],
) -> dict[str, float]:
    config, files = experiment.task.model.to_albert_config(), task.folder_files()
    run_folder.check_same(folder, config, files)
    data = _evaluation_data(experiment) if "eval" in mode else ""
    same_data = not data or run_folder.evaluates_same(folder, data)
    task.saves_results = _saves_results(mode, folder, same_data)
    if not same_data:
        task.restart_results()
    runner = Runner(task, experiment, mode, str(folder), distribution, train_actions, eval_actions)
    _check_weights(mode, folder, runner, task.starts_from)
    if not task.saves_results:
        metrics = runner.run()
        if metrics:
            print(task.report(metrics))
        return metrics
    if "train" in mode:
        keeps_best = best_checkpoint.folder(folder, experiment.trainer) is not None
        checkpoints.check_space(folder, runner.trainer.model, experiment.trainer, keeps_best)
    if strategies.is_chief(distribution):
        run_folder.prepare(folder, config, files, trains="train" in mode)
        if "train" in mode:
            hyperparameters.write(folder, experiment)
            identity = run_folder.identity_of(experiment.task.train_data, -1)
            run_folder.write_text(folder / run_folder.TRAINED, identity)
        best = best_checkpoint.folder(folder, experiment.trainer)
        if not same_data and best:
            (best / best_checkpoint.METRICS).unlink(missing_ok=True)
        if data:
            run_folder.write_text(folder / run_folder.EVALUATED, data)
        if best and "eval" in mode:
            run_folder.write_model_files(best, config, files)
    metrics = runner.run()
    if strategies.is_chief(distribution):
        run_folder.write_gin(folder / run_folder.OPERATIVE_CONFIG, gin.operative_config_str())
        if mode != "train" and metrics:
            print(task.report(metrics))
            for path in task.write_results(folder):
                print(f"wrote {path}")
    return metrics


def _evaluation_data(experiment: config_definitions.ExperimentConfig) -> str:
    return run_folder.identity_of(
        experiment.task.validation_data,
        experiment.trainer.validation_steps,
        getattr(experiment.task, "eval_fraction", 0.0),
    )


def _saves_results(mode: str, folder: Path, same_data: bool) -> bool:
    """Returns whether evaluations are written to the folder, and prints why not.

    Metrics of different data cannot be compared, so they must not choose the best checkpoint.
    """
    writable = mode != "eval" or run_folder.is_writable(folder)
    if not writable:
        reason = "the folder cannot be written to"
    elif not same_data and mode == "eval":
        reason = "earlier evaluations were on other data"
    else:
        if not same_data:
            print("earlier evaluations were on other data: the best checkpoint is chosen anew")
        return True
    print(f"'{folder}' stays as it is, and the metrics are only printed: {reason}")
    return False


def _exports(
    folder: Path,
    experiment: config_definitions.ExperimentConfig,
    mode: str,
    export_best: tuple[str | os.PathLike, Export] | None,
) -> list[Action]:
    if export_best is None:
        return []
    dest, export = export_best
    best = best_checkpoint.folder(folder, experiment.trainer)
    if best is None or "eval" not in mode:
        raise InputError(
            "--export_best needs evaluations and a metric to compare them. Received --mode "
            f"{mode} with BEST_METRIC={experiment.trainer.best_checkpoint_eval_metric!r}. Use "
            "--mode train_and_eval, or continuous_eval next to a training run, and set BEST_METRIC."
        )
    return [BestExport(best, check_writable(dest, "--export_best"), export)]


def _check_weights(mode: str, folder: Path, runner: Runner, starts_from: str) -> None:
    """Prints which checkpoint the run resumes from; checks that there are sound weights.

    Raises:
      InputError: an evaluation has no weights, or they are NaN or infinite.
    """
    newest = runner.checkpoint_manager.latest_checkpoint
    if newest is not None:
        text = f"resuming from '{newest}', step {runner.step}"
        if unused := runner.checkpoint_manager.unused:
            text += f"; not used, and replaced when it is that step again: {', '.join(unused)}"
        print(f"{text}; INIT_FROM '{starts_from}' is not used" if starts_from else text)
        changes = run_folder.changed_settings(folder) if "train" in mode else []
        if changes:
            more = f", and {len(changes) - 10} more" if len(changes) > 10 else ""
            print(f"settings that differ from {run_folder.CONFIG}: {', '.join(changes[:10])}{more}")
    elif mode == "eval" and not starts_from:
        raise InputError(
            "--mode eval needs trained weights. Received --model_dir "
            f"'{folder}' without a checkpoint, and INIT_FROM is not set. Train first, or set "
            "INIT_FROM."
        )
    unsound = [
        variable.name
        for variable in runner.trainer.model.variables
        if variable.dtype.is_floating and not np.isfinite(variable.numpy()).all()
    ]
    if unsound:
        raise InputError(
            "A run must start from weights that are finite numbers. Received NaN or infinity in "
            f"{len(unsound)} variables ({', '.join(unsound[:3])}) of '{newest or starts_from}'. "
            "Use another checkpoint, or convert or download the weights again."
        )
