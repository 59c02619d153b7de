"""Ending a run: signals, early stopping and diverging losses."""

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
def previous_handler():
    """Installs a signal handler and returns the list of signals that it receives."""
    numbers = []
    before = signal.signal(signal.SIGTERM, lambda number, _: numbers.append(number))
    yield numbers
    signal.signal(signal.SIGTERM, before)


def test_the_first_signal_is_recorded_and_the_second_reaches_the_previous_handler(
    previous_handler, capfd
):
    with Signals() as signals:
        signals.check()  # no signal yet
        signal.raise_signal(signal.SIGTERM)
        assert not previous_handler and signals.received == signal.SIGTERM
        assert "SIGTERM: saving after this step; repeat to exit at once" in capfd.readouterr().err
        with pytest.raises(Interrupted, match="SIGTERM") as raised:
            signals.check()
        assert raised.value.signum == signal.SIGTERM
        signal.raise_signal(signal.SIGTERM)
        assert previous_handler == [signal.SIGTERM]
    signal.raise_signal(signal.SIGTERM)
    assert previous_handler == [signal.SIGTERM] * 2


def test_pressing_ctrl_c_twice_raises_a_keyboard_interrupt():
    with Signals():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_other_threads_do_not_change_signal_handlers(previous_handler):
    before, handlers = signal.getsignal(signal.SIGTERM), []

    def enter():
        with Signals():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert handlers == [before]


def settings(metric="f1", is_="higher"):
    return cfg.TrainerConfig(best_checkpoint_eval_metric=metric, best_checkpoint_metric_comp=is_)


@pytest.mark.parametrize(
    ("is_", "values"), [("higher", [0.5, 0.7, 0.6, 0.7]), ("lower", [3.0, 1.0, 2.0, 1.0])]
)
def test_early_stopping_ends_the_run_after_evaluations_without_improvement(is_, values, tmp_path):
    (action,) = stopping.early_stop_actions(settings(is_=is_), 2, tmp_path)
    for value in values[:-1]:
        action({"f1": value})
    with pytest.raises(StopTraining, match=rf"f1 did not improve on {values[1]:.4f} in the last 2"):
        action({"f1": values[-1]})


def test_early_stopping_counts_evaluations_from_before_resuming(tmp_path):
    lines = [dict(split="validation", step=s, f1=v) for s, v in ((2, 0.9), (4, 0.8))]
    text = "\n".join(json.dumps(line) for line in [dict(split="train", step=2), *lines])
    Path(tmp_path, "history.jsonl").write_text(text)
    (action,) = stopping.early_stop_actions(settings(), 2, tmp_path)
    with pytest.raises(StopTraining, match="0.9000"):
        action({"f1": 0.85})


def test_early_stopping_needs_a_metric(tmp_path):
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
def test_the_error_for_a_nan_or_infinite_loss_states_the_first_bad_step(loss):
    message = (
        "must stay finite and at most 30. Received (nan|inf) in the loop that ended at step 150, "
        "with NaN or infinite gradients from step 144 on. The last good checkpoint is "
        "run/ckpt-120. Likely cause: the learning rate, 0.5, .* or from that checkpoint with INIT"
    )
    with pytest.raises(DivergedError, match=message):
        check(loss, nonfinite_updates=tf.constant(7.0))


def test_an_exploding_loss_before_the_first_checkpoint_is_an_error():
    message = "Received 30.5 at step 150. No checkpoint was saved yet. .* in a new --model_dir.$"
    with pytest.raises(DivergedError, match=message):
        check(30.5, last=lambda: None)


def test_float16_is_named_as_the_first_likely_cause():
    with pytest.raises(DivergedError, match=r"cause: float16 overflows \(bfloat16 does not\), or"):
        check(math.nan, scales_loss=True)


def test_a_bad_last_update_is_detected_before_the_loss_shows_it():
    with pytest.raises(DivergedError, match="infinite gradients from step 150 on"):
        check(6.5, nonfinite_updates=1.0)
