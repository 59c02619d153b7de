"""What a run would do, without a step: the model, one batch, and what a step costs."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
from official.core import base_task, config_definitions

from albert_tf.training.flops import training_flops
from albert_tf.training.memory import activation_bytes, state_bytes


def describe(
    task: base_task.Task,
    experiment: config_definitions.ExperimentConfig,
    distribution: tf.distribute.Strategy,
) -> str:
    """Checks the input pipeline, builds the model around one batch of it, and returns the facts.

    The model is built in a graph that never runs, so that any size can be looked at on any machine.
    """
    data = experiment.task.train_data
    batch = task.build_inputs(data).element_spec
    with tf.Graph().as_default():
        features = tf.nest.map_structure(
            lambda spec: tf.compat.v1.placeholder(spec.dtype, spec.shape), batch
        )
        inputs, labels = features if isinstance(features, tuple) else (features, features)
        model = task.build_model()
        outputs = model(inputs, training=True)
        task.build_losses(labels, outputs)
        count = sum(v.shape.num_elements() for v in model.trainable_variables)
        result = _shapes(outputs) if isinstance(outputs, Mapping) else []
    trainer, inputs = experiment.trainer, batch[0] if isinstance(batch, tuple) else batch
    optimizer, schedule = trainer.optimizer_config.optimizer, trainer.optimizer_config.learning_rate
    lines = [
        f"model        {type(model).__name__}, {count:,} trainable parameters",
        *_costs(experiment, count, distribution.num_replicas_in_sync),
        f"data         {data.input_path or data.tfds_name}",
        f"steps        {trainer.train_steps:,}, evaluated every {trainer.validation_interval:,}, "
        f"saved every {trainer.checkpoint_interval:,}",
        f"optimizer    {optimizer.type}, {schedule.type}: "
        + ", ".join(f"{k} {v}" for k, v in schedule.get().as_dict().items()),
        "features",
        *_shapes(inputs),
        *(["outputs", *result] if result else []),
    ]
    return "\n".join(lines)


def _costs(
    experiment: config_definitions.ExperimentConfig, parameters: int, replicas: int
) -> list[str]:
    """Returns batch, memory and compute; of a data config without a fixed length, the batch."""
    task, data = experiment.task, experiment.task.train_data
    steps, size = task.accumulation_steps, data.global_batch_size
    at_once = size // (replicas * steps)
    lines = [
        f"batch        {size} a step (global): {replicas} replica(s) x {steps} micro-batch(es) "
        f"x {at_once}"
    ]
    config, length = task.model.to_albert_config(), getattr(data, "seq_length", None)
    if not length:
        return lines
    predictions = getattr(data, "max_predictions_per_seq", 0)
    half = experiment.runtime.mixed_precision_dtype in ("float16", "bfloat16")
    kept = activation_bytes(
        config, at_once, length, predictions, task.recompute, width=2 if half else 4
    )
    flops = training_flops(config, size, length, predictions, task.recompute)
    return [
        *lines,
        f"memory       {state_bytes(parameters) / 2**20:,.0f} MiB for weights, gradients and "
        f"optimizer, about {kept / 2**20:,.0f} MiB for activations, each replica",
        f"compute      {flops / 1e12:,.3f} TFLOP a step (matrix products, full-length sequences)",
    ]


def _shapes(tensors: Mapping[str, tf.TensorSpec | tf.Tensor]) -> list[str]:
    return [
        f"  {name:<24}{tensor.dtype.name} {tensor.shape}"
        for name, tensor in tensors.items()
        if hasattr(tensor, "shape")
    ]
