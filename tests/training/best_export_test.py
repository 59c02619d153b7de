"""Exports of the best checkpoint: when there is a new one, and only then."""

import os
import time

import pytest
import tensorflow as tf

from albert_tf.training.best_export import BestExport


@pytest.fixture
def best(tmp_path):
    return tmp_path / "best"


def save(best, age):
    """A best checkpoint that was written `age` seconds ago."""
    path = tf.train.Checkpoint(x=tf.Variable(1.0)).save(str(best / "best_ckpt"))
    when = time.time() - age
    os.utime(f"{path}.index", (when, when))


def test_a_new_best_replaces_the_export_and_an_old_one_does_not(best, tmp_path):
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
    BestExport(best, dest, export)({})  # as after a stop
    assert [path.name for path in dest.iterdir()] == ["call_0"]
    os.utime(dest, (1, 1))  # as if the checkpoint were newer
    action({})
    assert [path.name for path in dest.iterdir()] == ["call_1"]
    assert [path.name for path in dest.parent.iterdir()] == ["encoder"]


def test_an_export_that_fails_leaves_the_old_one(best, tmp_path):
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
