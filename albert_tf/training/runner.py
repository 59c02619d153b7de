"""Model Garden's Orbit runner with a progress line and a history in place of printed dicts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

import orbit
import tensorflow as tf
from absl import logging
from official.common import distribute_utils
from official.core import base_task, config_definitions, train_lib

from albert_tf.errors import InputError
from albert_tf.training.progress import History, Progress

Action = Callable[[Any], None]


def strategy(runtime: config_definitions.RuntimeConfig) -> tf.distribute.Strategy:
    """Returns the strategy that Model Garden's runtime config names; "off" is the default one.

    Raises:
      InputError: the name is unknown or does not fit the devices.
    """
    try:
        found = distribute_utils.get_distribution_strategy(
            distribution_strategy=runtime.distribution_strategy,
            num_gpus=runtime.num_gpus,
            tpu_address=runtime.tpu,
            all_reduce_alg=runtime.all_reduce_alg,
            num_packs=runtime.num_packs,
        )
    except (ValueError, TypeError) as error:
        raise InputError(
            "runtime.distribution_strategy must be off, one_device, mirrored, "
            "multi_worker_mirrored, parameter_server or tpu and fit num_gpus. Received "
            f"{runtime.distribution_strategy!r} with num_gpus={runtime.num_gpus}: {error}"
        ) from error
    return found or tf.distribute.get_strategy()


def run(
    task: base_task.Task,
    experiment: config_definitions.ExperimentConfig,
    mode: str,
    model_dir: str,
    distribution: tf.distribute.Strategy,
    train_actions: Sequence[Action] = (),
    eval_actions: Sequence[Action] = (),
) -> dict[str, float]:
    """Runs one mode and returns the newest metrics: of evaluation, or else of training."""
    with _quiet_orbit():
        runner = train_lib.OrbitExperimentRunner(
            distribution_strategy=distribution,
            task=task,
            mode=mode,
            params=experiment,
            model_dir=model_dir,
            train_actions=list(train_actions),
            eval_actions=list(eval_actions),
        )
        step, controller = runner.trainer.global_step, runner.controller
        trained = History(model_dir, step, "train")
        evaluated = History(model_dir, step, "validation")
        # They need the step counter, which exists only once the runner has made the trainer.
        controller.eval_actions += (evaluated,)
        if "train" not in mode:
            runner.run()
            return evaluated.last
        progress = Progress(step, experiment.trainer.train_steps)
        controller.train_actions += (trained, progress)
        try:
            runner.run()
        finally:
            progress.close()
    return evaluated.last or trained.last


@contextlib.contextmanager
def _quiet_orbit() -> Iterator[None]:
    """Sends what Orbit prints on standard output to the log only."""
    with mock.patch.object(orbit.controller, "_log", logging.info):
        yield
