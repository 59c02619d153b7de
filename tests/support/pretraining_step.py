"""Trains the tiny golden model for a few updates on a batch whose rows all differ in length."""

import numpy as np
import tensorflow as tf
from official.core import base_task

from albert_tf import AlbertPretrainer
from albert_tf.pretraining.task import PretrainingConfig, PretrainingTask
from albert_tf.tasks.model_config import ModelConfig
from albert_tf.training import optimization
from tests.support.paths import TESTDATA

TINY = TESTDATA / "tf1_tiny"
B, S, P = 6, 11, 4


def batch():
    """Returns six rows with 0 to 4 predictions and 4 to 11 tokens, so that all parts differ."""
    rng = np.random.default_rng(1)
    lengths, predictions = np.array([4, 11, 7, 9, 5, 10]), np.array([0, 4, 1, 2, 3, 4])
    mask = (np.arange(S) < lengths[:, None]).astype(np.int32)
    arrays = dict(
        input_word_ids=rng.integers(5, 200, [B, S]) * mask,
        input_mask=mask,
        input_type_ids=rng.integers(0, 2, [B, S]) * mask,
        masked_lm_positions=rng.integers(1, 4, [B, P]),
        masked_lm_ids=rng.integers(5, 200, [B, P]),
        masked_lm_weights=(np.arange(P) < predictions[:, None]).astype(np.float32),
        next_sentence_labels=rng.integers(0, 2, [B, 1]),
    )
    return {
        name: tf.constant(array, tf.float32 if name.endswith("weights") else tf.int32)
        for name, array in arrays.items()
    }


def pretraining(accumulation_steps=1, dropout=0.0, **changes):
    """Returns the task and its model with the golden weights."""
    golden = AlbertPretrainer.from_pretrained(TINY)
    rates = dict(hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
    config = PretrainingConfig(
        model=ModelConfig(**golden.albert_config.to_dict() | rates),
        accumulation_steps=accumulation_steps,
        **changes,
    )
    config.train_data.seed = 4
    task = PretrainingTask(config)
    model = task.build_model()
    model.set_weights(golden.get_weights())
    return task, model


def train(optimizer_name, accumulation_steps=1, updates=3, made=None, **changes):
    """Returns losses, variables and metrics after some updates with the same batch.

    `made` is a task with its model; by default, they come from `pretraining`.
    """
    task, model = made or pretraining(accumulation_steps, **changes)
    rate = {"lamb": 0.00176, "adamw": 0.0001}[optimizer_name]  # The usual rate of each optimizer.
    config = optimization.config(optimizer_name, learning_rate=rate, train_steps=9, warmup_steps=0)
    optimizer = base_task.Task.create_optimizer(config)
    metrics = task.build_metrics(training=True)
    step = tf.function(lambda: task.train_step(batch(), model, optimizer, metrics)["loss"])
    losses = [float(step()) for _ in range(updates)]
    values = {v.name: v.numpy() for v in model.variables if "key/bias" not in v.name}
    return losses, values, {m.name: float(m.result()) for m in metrics}
