"""Choosing and exporting the best checkpoint, and its invalid settings."""

import math
import os
import time

import pytest
import tensorflow as tf
from official.core import config_definitions

from albert_tf.errors import InputError
from albert_tf.training import best_checkpoint
from albert_tf.training.best_checkpoint import BestCheckpoint, BestExport


def test_a_checkpoint_with_a_nan_metric_is_never_the_best(tmp_path):
    step = tf.Variable(3, dtype=tf.int64)
    best = BestCheckpoint(str(tmp_path), "loss", "lower")
    saved = tf.train.Checkpoint(global_step=step)
    values = [math.nan, 2.0, math.nan, 3.0, 1.0]
    saves = []
    for number, value in enumerate(values):
        step.assign(number)
        saves.append(best.maybe_export_checkpoint(saved, {"loss": tf.constant(value)}, number))
        step.assign(-1)
    assert saves == [False, True, False, False, True]
    assert best.best_ckpt_path == str(tmp_path / "best_ckpt-4")  # named by its step
    saved.restore(best.best_ckpt_path)
    assert step.numpy() == 4 and float(best.best_ckpt_logs["loss"]) == 1.0
    again = BestCheckpoint(str(tmp_path), "loss", "lower")  # as when resuming after a kill
    assert not again.maybe_export_checkpoint(saved, {"loss": tf.constant(1.5)}, 9)
    with pytest.raises(InputError, match="BEST_METRIC .* Received 'loss'. Closest: los"):
        again.maybe_export_checkpoint(saved, {"los": tf.constant(1.0)}, 10)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("mlm_loss", "higher"), "a loss or an error. Received 'higher' for 'mlm_loss'"),
        (("mean_absolute_error", "higher"), "or an error. Received 'higher' for 'mean_abs"),
        (("accuracy", "highest"), "BEST_IS must be 'higher' or 'lower'.*'highest'"),
        (("acuracy", "higher"), "Received 'acuracy'. Closest: accuracy"),
    ],
)
def test_invalid_settings_of_the_best_checkpoint_are_errors(settings, message):
    trainer = config_definitions.TrainerConfig(
        best_checkpoint_export_subdir="best",
        best_checkpoint_eval_metric=settings[0],
        best_checkpoint_metric_comp=settings[1],
    )
    with pytest.raises(InputError, match=message):
        best_checkpoint.check(trainer, ["accuracy", "mlm_loss", "mean_absolute_error"])


@pytest.fixture
def best(tmp_path):
    return tmp_path / "best"


def save(best, age):
    """Writes a best checkpoint with a modification time `age` seconds ago."""
    path = tf.train.Checkpoint(x=tf.Variable(1.0)).save(str(best / "best_ckpt"))
    when = time.time() - age
    os.utime(f"{path}.index", (when, when))


def test_only_a_newer_best_checkpoint_replaces_the_export(best, tmp_path):
    dest, calls = tmp_path / "hub/encoder", []

    def export(source, new):
        assert source == best and not new.exists()
        new.mkdir()
        (new / f"call_{len(calls)}").touch()
        calls.append(new)

    action = BestExport(best, dest, export)
    action({})  # no checkpoint yet
    assert not calls and not dest.exists()
    save(best, age=10)
    action({})
    action({})
    BestExport(best, dest, export)({})  # as after resuming
    assert [path.name for path in dest.iterdir()] == ["call_0"]
    os.utime(dest, (1, 1))  # as if the checkpoint were newer
    action({})
    assert [path.name for path in dest.iterdir()] == ["call_1"]
    assert [path.name for path in dest.parent.iterdir()] == ["encoder"]


def test_a_failed_export_keeps_the_old_one(best, tmp_path):
    dest = tmp_path / "encoder"
    dest.mkdir()
    (dest / "old").touch()
    os.utime(dest, (1, 1))
    save(best, age=0)

    def export(source, new):
        new.mkdir()
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        BestExport(best, dest, export)({})
    assert [path.name for path in dest.iterdir()] == ["old"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "encoder"]
