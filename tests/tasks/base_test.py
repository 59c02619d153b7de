"""The training step: micro-batches give the same update, and the reported metrics are correct."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.core import base_task

from albert_tf.errors import InputError
from albert_tf.training import optimization
from tests.support.pretraining_step import B, S, batch, pretraining, train


@pytest.mark.parametrize("optimizer_name", ["lamb", "adamw"])
def test_micro_batches_give_the_update_of_the_whole_batch(optimizer_name):
    losses, variables, metrics = train(optimizer_name, 1)
    split_losses, split_variables, split_metrics = train(optimizer_name, 3)
    np.testing.assert_allclose(split_losses, losses, rtol=1e-6)
    for name, value in variables.items():
        np.testing.assert_allclose(split_variables[name], value, atol=1e-6, err_msg=name)
    assert split_metrics == pytest.approx(metrics, rel=1e-5)
    assert losses[2] < losses[0]


def test_removing_padding_gives_the_same_update():
    losses, variables, _ = train("adamw", accumulation_steps=2, updates=2)
    without_padding = train("adamw", accumulation_steps=2, updates=2, remove_padding=True)
    np.testing.assert_allclose(without_padding[0], losses, rtol=1e-6)
    for name, value in variables.items():
        np.testing.assert_allclose(without_padding[1][name], value, atol=1e-5, err_msg=name)


def test_dropout_is_the_same_in_a_second_run_and_when_recomputing():
    first = train("adamw", updates=2, dropout=0.2)
    again = train("adamw", updates=2, dropout=0.2, recompute=True)
    np.testing.assert_allclose(again[0], first[0], rtol=1e-6)
    for name, value in first[1].items():
        np.testing.assert_allclose(again[1][name], value, atol=1e-6, err_msg=name)
    task, model = pretraining()
    assert abs(first[0][0] - task.build_losses(batch(), model(batch()))) > 1e-3  # Dropout was on.


def test_the_step_reports_norm_tokens_and_padding():
    task, model = pretraining()
    with tf.GradientTape() as tape:
        loss = task.build_losses(batch(), model(batch()))
    gradients = [
        tf.convert_to_tensor(g).numpy() for g in tape.gradient(loss, model.trainable_variables)
    ]
    norm = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradients))
    _, _, metrics = train("adamw", 1, updates=1)
    assert metrics["gradient_norm"] == pytest.approx(norm, rel=1e-5)
    assert metrics["tokens"] == 46
    assert metrics["padding_fraction"] == pytest.approx(1 - 46 / (B * S))
    assert metrics["nonfinite_updates"] == 0


def test_float16_scales_the_loss_and_skips_overflowing_updates():
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        task, model = pretraining(accumulation_steps=2)
        optimizer = tf_keras.mixed_precision.LossScaleOptimizer(
            base_task.Task.create_optimizer(
                optimization.config(learning_rate=0.1, train_steps=9, warmup_steps=0)
            ),
            initial_scale=2.0**30,
        )
        metrics = task.build_metrics(training=True)
        start = model.trainable_variables[0].numpy()
        task.train_step(batch(), model, optimizer, metrics)  # 2**30 overflows
        assert {m.name: float(m.result()) for m in metrics}["nonfinite_updates"] == 1
        np.testing.assert_array_equal(model.trainable_variables[0], start)
    finally:
        tf_keras.mixed_precision.set_global_policy(before)


def test_a_batch_that_does_not_split_is_an_error():
    task, model = pretraining(accumulation_steps=4)
    with pytest.raises(InputError, match="accumulation_steps equal parts. Received 6 rows for 4"):
        task.train_step(batch(), model, optimizer=None)
