"""What a run would do, without a step: the model, one batch and the cost of a step."""

from __future__ import annotations

import tensorflow as tf
from official.core import base_task, config_definitions

from albert_tf.modeling.pretrainer import AlbertPretrainer
from albert_tf.training.flops import training_flops


def describe(
    task: base_task.Task,
    experiment: config_definitions.ExperimentConfig,
    distribution: tf.distribute.Strategy,
) -> str:
    """Builds the model and the input pipeline, traces a training step, and returns the facts.

    The step is traced, not run, so a recipe of any size can be looked at on any machine.
    """
    batch = task.build_inputs(experiment.task.train_data).element_spec
    with distribution.scope():
        model = task.build_model()
        optimizer = task.create_optimizer(experiment.trainer.optimizer_config, experiment.runtime)
        step = tf.function(lambda features: task.train_step(features, model, optimizer)["loss"])
        step.get_concrete_function(batch)
    trainer, data = experiment.trainer, experiment.task.train_data
    count = sum(int(tf.size(v)) for v in model.trainable_variables)
    lines = [
        f"model        {type(model).__name__}, {count:,} trainable parameters",
        f"memory       {3 * 4 * count / 2**20:,.0f} MiB for weights and optimizer slots (float32)",
        f"data         {data.input_path}",
        f"batch        {data.global_batch_size} a step (global), "
        f"{distribution.num_replicas_in_sync} replica(s)",
        f"steps        {trainer.train_steps:,}, evaluated every {trainer.validation_interval:,}, "
        f"saved every {trainer.checkpoint_interval:,}",
        f"optimizer    {type(optimizer).__name__}",
        "features",
    ]
    if isinstance(model, AlbertPretrainer):
        flops = training_flops(model.albert_config, data.global_batch_size, data.seq_length)
        lines.insert(2, f"compute      {flops / 1e12:,.3f} TFLOP a step (matrix products)")
    lines += [f"  {name:<24}{spec.dtype.name} {spec.shape}" for name, spec in batch.items()]
    return "\n".join(lines)
