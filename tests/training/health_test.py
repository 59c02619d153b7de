"""A run that went astray stops with step, last good checkpoint and cause."""

import math

import pytest
import tensorflow as tf

from albert_tf.training.health import DivergedError, HealthCheck


def check(loss, last=lambda: "run/ckpt-120", scales_loss=False, **output):
    action = HealthCheck(tf.Variable(150), 30.0, last, scales_loss)
    action({"training_loss": tf.constant(loss), "learning_rate": 0.5, **output})


def test_a_healthy_loop_passes():
    check(29.9, nonfinite_updates=3.0, scales_loss=True)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_no_number_names_the_first_bad_step(loss):
    message = (
        "must stay a number of at most 30. Received (nan|inf) in the loop that ended at step 150, "
        "with gradients that are not finite from step 144 on. The last good checkpoint is "
        "run/ckpt-120. Likely cause: the learning rate, 0.5 here"
    )
    with pytest.raises(DivergedError, match=message):
        check(loss, nonfinite_updates=tf.constant(7.0))


def test_an_exploding_loss_without_any_checkpoint():
    message = "Received 30.5 at step 150. The last good checkpoint is none yet."
    with pytest.raises(DivergedError, match=message):
        check(30.5, last=lambda: None)


def test_float16_is_the_first_suspect_where_it_is_used():
    with pytest.raises(DivergedError, match="Likely cause: float16 overflows; bfloat16 does not."):
        check(math.nan, scales_loss=True)


def test_a_bad_last_update_is_seen_before_any_loss_shows_it():
    with pytest.raises(DivergedError, match="not finite from step 150 on"):
        check(6.5, nonfinite_updates=1.0)
