"""Signals are noted, then obeyed."""

import json
import math
import signal
import threading
from pathlib import Path

import pytest
import tensorflow as tf
from official.core import config_definitions as cfg

from albert_tf.errors import InputError
from albert_tf.training import stopping
from albert_tf.training.stopping import (
    DivergedError,
    HealthCheck,
    Interrupted,
    Signals,
    StopTraining,
)


@pytest.fixture
def heard():
    """What the handler that stood before gets."""
    numbers = []
    before = signal.signal(signal.SIGTERM, lambda number, _: numbers.append(number))
    yield numbers
    signal.signal(signal.SIGTERM, before)


def test_the_first_is_noted_and_the_second_goes_to_the_handler_of_before(heard, capfd):
    with Signals() as signals:
        signals.check()  # nothing yet
        signal.raise_signal(signal.SIGTERM)
        assert not heard and signals.received == signal.SIGTERM
        assert "SIGTERM: saving after this step; once more leaves at once" in capfd.readouterr().err
        with pytest.raises(Interrupted, match="SIGTERM") as raised:
            signals.check()
        assert raised.value.signum == signal.SIGTERM
        signal.raise_signal(signal.SIGTERM)
        assert heard == [signal.SIGTERM]
    signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM] * 2


def test_ctrl_c_twice_is_a_keyboard_interrupt():
    with Signals():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_other_threads_leave_handlers_alone(heard):
    before, found = signal.getsignal(signal.SIGTERM), []

    def enter():
        with Signals():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [before]


def settings(metric="f1", is_="higher"):
    return cfg.TrainerConfig(best_checkpoint_eval_metric=metric, best_checkpoint_metric_comp=is_)


@pytest.mark.parametrize(
    ("is_", "values"), [("higher", [0.5, 0.7, 0.6, 0.7]), ("lower", [3.0, 1.0, 2.0, 1.0])]
)
def test_the_run_ends_after_evaluations_that_are_not_the_best(is_, values, tmp_path):
    (action,) = stopping.early_stop_actions(settings(is_=is_), 2, tmp_path)
    for value in values[:-1]:
        action({"f1": value})
    with pytest.raises(
        StopTraining, match=rf"f1 was not better than {values[1]:.4f} in the last 2"
    ):
        action({"f1": values[-1]})


def test_evaluations_before_a_stop_count(tmp_path):
    lines = [dict(split="validation", step=s, f1=v) for s, v in ((2, 0.9), (4, 0.8))]
    text = "\n".join(json.dumps(line) for line in [dict(split="train", step=2), *lines])
    Path(tmp_path, "history.jsonl").write_text(text)
    (action,) = stopping.early_stop_actions(settings(), 2, tmp_path)
    with pytest.raises(StopTraining, match="0.9000"):
        action({"f1": 0.85})


def test_patience_needs_a_metric(tmp_path):
    assert stopping.early_stop_actions(settings(), 0, tmp_path) == []
    for metric, patience in (("", 2), ("f1", -1)):
        with pytest.raises(InputError, match=f"PATIENCE={patience} with BEST_METRIC={metric!r}"):
            stopping.early_stop_actions(settings(metric), patience, tmp_path)


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
