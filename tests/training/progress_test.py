"""The speed of a run and its progress line."""

import time

import pytest
import tensorflow as tf

from albert_tf.training import progress


def test_pace_measures_real_tokens_per_second(monkeypatch):
    clock = iter([10.0, 14.0, 20.0, 22.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    pace = progress.Pace()
    first, second = {"tokens": tf.constant(1000.0), "training_loss": 1.0}, {"tokens": 300.0}
    pace(first)
    assert first == {"training_loss": 1.0, "tokens_per_second": 250.0}
    pace.restart()  # after an evaluation of six seconds
    pace(second)
    assert second == {"tokens_per_second": 150.0}


@pytest.mark.parametrize("skipped", [0, 2])
def test_the_progress_line_shows_loss_rate_norm_and_speed(skipped, capsys):
    step = tf.Variable(0)
    bar = progress.Progress(step, train_steps=50)
    step.assign(5)
    output = dict(
        mlm_loss=6.25, sop_accuracy=0.5, training_loss=6.9, learning_rate=0.00176,
        gradient_norm=1.5, tokens_per_second=12345.0, padding_fraction=0.1,
        nonfinite_updates=skipped,
    )  # fmt: skip
    bar(output)
    bar.close()
    line = capsys.readouterr().err
    assert "5/50" in line and "loss=6.9, mlm_loss=6.25, sop_accuracy=0.5, rate=0.00176" in line
    assert "norm=1.5, tokens/s=1.234e+04, padding=0.1" in line
    assert ("nonfinite_updates=2" in line) == bool(skipped)
