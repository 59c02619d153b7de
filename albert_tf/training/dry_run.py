"""Describes a run without training: the model, one batch, and the cost of a step."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
from official.core import config_definitions

from albert_tf.config import AlbertConfig
from albert_tf.tasks.base import AlbertTask


def describe(
    task: AlbertTask,
    experiment: config_definitions.ExperimentConfig,
    distribution: tf.distribute.Strategy,
) -> str:
    """Checks the input pipeline, builds the model on one batch, and returns a description.

    The model is built in a graph that never runs, so models of any size can be described on any
    machine.
    """
    data = experiment.task.train_data
    batch = task.build_inputs(data).element_spec
    with tf.Graph().as_default():
        features = tf.nest.map_structure(
            lambda spec: tf.compat.v1.placeholder(spec.dtype, spec.shape), batch
        )
        inputs, labels = features if isinstance(features, tuple) else (features, features)
        model = task.build_model()
        # Removing padding changes no shape, and compares tensors, which this kind of graph cannot.
        model.encoder.remove_padding = False
        outputs = task.inference_step(inputs, model)
        task.build_losses(labels, outputs)
        count = sum(v.shape.num_elements() for v in model.trainable_variables)
        result = _shapes(outputs) if isinstance(outputs, Mapping) else []
    trainer, inputs = experiment.trainer, batch[0] if isinstance(batch, tuple) else batch
    *_, rows, _ = (1, *inputs["input_word_ids"].shape[1:])  # [B, S] or [B, C, S]
    rows = rows or experiment.task.max_windows  # The number of windows differs between batches.
    optimizer, schedule = trainer.optimizer_config.optimizer, trainer.optimizer_config.learning_rate
    lines = [
        f"model        {type(model).__name__}, {count:,} trainable parameters",
        *_costs(experiment, count, distribution.num_replicas_in_sync, rows),
        f"data         {data.input_path or data.tfds_name}",
        f"steps        {trainer.train_steps:,}, evaluation every {trainer.validation_interval:,}, "
        f"checkpoint every {trainer.checkpoint_interval:,}",
        f"optimizer    {optimizer.type}, {schedule.type}: "
        + ", ".join(f"{k} {v}" for k, v in schedule.get().as_dict().items()),
        "features",
        *_shapes(inputs),
        *(["outputs", *result] if result else []),
    ]
    return "\n".join(lines)


def _costs(
    experiment: config_definitions.ExperimentConfig, parameters: int, replicas: int, rows: int
) -> list[str]:
    """Returns lines on batch, memory and compute; without a fixed length, on the batch only."""
    task, data = experiment.task, experiment.task.train_data
    steps, size = task.accumulation_steps, data.global_batch_size
    micro_batch = size // (replicas * steps)
    lines = [
        f"batch        {size} per step (global): {replicas} replica(s) x {steps} micro-batch(es) "
        f"x {micro_batch}"
    ]
    config, length = task.model.to_albert_config(), getattr(data, "seq_length", None)
    if not length:
        return lines
    predictions = getattr(data, "max_predictions_per_seq", 0)
    half = experiment.runtime.mixed_precision_dtype in ("float16", "bfloat16")
    activations = activation_bytes(
        config, micro_batch * rows, length, predictions, task.recompute, width=2 if half else 4
    )
    flops = training_flops(config, size * rows, length, predictions, task.recompute)
    return [
        *lines,
        f"memory       {state_bytes(parameters) / 2**20:,.0f} MiB for weights, gradients and "
        f"optimizer, about {activations / 2**20:,.0f} MiB for activations, per replica",
        f"compute      {flops / 1e12:,.3f} TFLOP per step (matrix products, full-length sequences)",
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
    """Returns the FLOPs of a training step; the backward pass costs twice the forward pass.

    Counts matrix products only, with two operations per multiply-add: attention and feed-forward
    network of every block application, the projection of the embeddings, and the masked language
    model head. Pooler, norms, softmax and element-wise operations are not counted.

    Args:
      config: the config of the model.
      batch: number of sequences.
      length: tokens per sequence.
      predictions: masked positions per sequence. If there are any, the last block application
        computes the part after attention only for them and for the first position (see
        `AlbertPretrainer.predictions`).
      recompute: whether the forward pass of each block runs twice.
    """
    h, e, inner = config.hidden_size, config.embedding_size, config.intermediate_size
    after_attention = h * h + 2 * h * inner  # output projection and feed-forward network
    block = 3 * h * h + 2 * length * h + after_attention
    applications = config.num_hidden_layers * config.inner_group_num
    skipped = (length - predictions - 1) * after_attention if predictions else 0
    stack = length * applications * block - skipped
    embeddings = length * e * h if e != h else 0
    head = predictions * (h * e + e * config.vocab_size)
    return 2 * batch * ((4 if recompute else 3) * stack + 3 * (embeddings + head))


_FLOAT32 = 4


def state_bytes(parameters: int) -> int:
    """Returns the bytes of weights, gradients and the optimizer's two moments, all in float32."""
    return 4 * _FLOAT32 * parameters


def activation_bytes(
    config: AlbertConfig,
    batch: int,
    length: int,
    predictions: int = 0,
    recompute: bool = False,
    width: int = _FLOAT32,
) -> int:
    """Returns approximately how many bytes a forward pass stores for the backward pass.

    For each token, a block application stores query, key, value, context, and the inputs of two
    norms and two matrix products (8 H), the feed-forward activations before and after the
    activation function (2 I), and the attention probabilities before and after dropout (2 N S).
    The head stores its logits and their softmax.

    Args:
      config: the config of the model.
      batch: number of sequences in memory at once: one micro-batch of one replica.
      length: tokens per sequence, S.
      predictions: masked positions per sequence.
      recompute: whether only the input of each application is stored. The peak then also includes
        everything that one application stores.
      width: bytes per number in the compute dtype, 2 for mixed precision.
    """
    h = config.hidden_size
    probabilities = 2 * config.num_attention_heads * length
    block = batch * length * (8 * h + 2 * config.intermediate_size + probabilities)
    applications = config.num_hidden_layers * config.inner_group_num
    stored = applications * batch * length * h + block if recompute else applications * block
    return stored * width + 2 * batch * predictions * config.vocab_size * _FLOAT32
