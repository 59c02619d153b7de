"""What a run would do, without a step: the model, one batch, and what a step costs."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
from official.core import base_task, config_definitions

from albert_tf.config import AlbertConfig


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


def training_flops(
    config: AlbertConfig, batch: int, length: int, predictions: int = 0, recompute: bool = False
) -> int:
    """Returns the operations of a training step: forward once, backward twice as much.

    Counted are the matrix products, two operations a multiplication: attention and feed-forward
    part of every block application, the projection of the embeddings, and the masked language
    model head. The pooler, norms, softmax and element-wise work are left out.

    Args:
      config: the model.
      batch: sequences.
      length: tokens in a sequence.
      predictions: masked positions in a sequence. If any, the last application does its work
        behind attention for these and the first position only (`AlbertPretrainer.predictions`).
      recompute: whether blocks run forward twice.
    """
    h, e, inner = config.hidden_size, config.embedding_size, config.intermediate_size
    behind = h * h + 2 * h * inner  # of attention: its output projection, the feed-forward part
    block = 3 * h * h + 2 * length * h + behind
    applications = config.num_hidden_layers * config.inner_group_num
    left_out = (length - predictions - 1) * behind if predictions else 0
    stack = length * applications * block - left_out
    embeddings = length * e * h if e != h else 0
    head = predictions * (h * e + e * config.vocab_size)
    return 2 * batch * ((4 if recompute else 3) * stack + 3 * (embeddings + head))


_FLOAT32 = 4


def state_bytes(parameters: int) -> int:
    """Returns the bytes of weights, gradients and the two moments of the optimizer, in float32."""
    return 4 * _FLOAT32 * parameters


def activation_bytes(
    config: AlbertConfig,
    batch: int,
    length: int,
    predictions: int = 0,
    recompute: bool = False,
    width: int = _FLOAT32,
) -> int:
    """Returns about the bytes that a forward pass keeps for the backward pass.

    A block application keeps, for each token, its query, key, value, context, the inputs of two
    norms and of two products (8 H), the feed-forward part before and after its activation (2 I),
    and the attention scores as shares, before and after dropout (2 N S). The head keeps its logits
    and their softmax.

    Args:
      config: the model.
      batch: sequences in memory at once, those of one micro-batch of one replica.
      length: tokens in a sequence, S.
      predictions: masked positions in a sequence.
      recompute: whether only the input of each application is kept; the largest moment then has
        all of one application besides.
      width: bytes of a number in the compute format, 2 in mixed precision.
    """
    h = config.hidden_size
    shares = 2 * config.num_attention_heads * length
    block = batch * length * (8 * h + 2 * config.intermediate_size + shares)
    applications = config.num_hidden_layers * config.inner_group_num
    kept = applications * batch * length * h + block if recompute else applications * block
    return kept * width + 2 * batch * predictions * config.vocab_size * _FLOAT32
