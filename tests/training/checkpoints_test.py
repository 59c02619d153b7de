"""Errors in writing and reading checkpoints."""

import contextlib
import resource
from types import SimpleNamespace

import pytest
import tensorflow as tf
from official.core import config_definitions

from albert_tf.errors import InputError
from albert_tf.training import checkpoints
from albert_tf.training.checkpoints import Checkpoints


def manager(folder, step, size=1000, **items):
    saved = tf.train.Checkpoint(global_step=step, weights=tf.Variable(tf.ones([size])), **items)
    settings = dict(max_to_keep=2, step_counter=step, checkpoint_interval=1)
    return Checkpoints(saved, str(folder), str(folder), **settings)


@pytest.fixture
def step():
    return tf.Variable(3, dtype=tf.int64)


@contextlib.contextmanager
def small_files():
    """Limits files to 2000 bytes, to simulate a full disk.

    This is not a fixture, because pytest writes its own output, perhaps to a file, before a fixture
    ends.
    """
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("background", [False, True])
def test_a_full_disk_does_not_affect_the_last_good_checkpoint(background, step, tmp_path):
    checkpoints_ = manager(tmp_path, step)
    checkpoints_.save(step)
    checkpoints_.sync()
    step.assign(4)
    options = tf.train.CheckpointOptions(enable_async=background)
    message = "written completely.*last good checkpoint is .*ckpt-3"
    with pytest.raises(InputError, match=message), small_files():
        checkpoints_.save(step, options=options)
        checkpoints_.sync()
    assert tf.train.latest_checkpoint(tmp_path).endswith("ckpt-3")
    again = manager(tmp_path, tf.Variable(0, dtype=tf.int64))
    assert again.restore_or_initialize().endswith("ckpt-3")


def test_partial_checkpoints_are_removed_and_complete_ones_are_kept(step, tmp_path):
    checkpoints_ = manager(tmp_path, step)
    checkpoints_.save(step)
    before = sorted(tmp_path.iterdir())
    (tmp_path / "ckpt-4_temp").mkdir()
    (tmp_path / "ckpt-4_temp/part-00000-of-00001.data").write_bytes(b"half")
    checkpoints_.remove_leftovers()
    assert sorted(tmp_path.iterdir()) == before


def test_a_damaged_checkpoint_is_an_error(step, tmp_path):
    manager(tmp_path, step).save(step)
    data = tmp_path / "ckpt-3.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(InputError, match="of the same model. Received '.*ckpt-3'.*if its files"):
        manager(tmp_path, step).restore_or_initialize()


@pytest.mark.parametrize("other", [dict(size=999), dict(head=tf.Variable([0.0, 1.0]))])
def test_a_checkpoint_of_another_model_is_an_error(other, step, tmp_path):
    manager(tmp_path, step).save(step)
    with pytest.raises(InputError, match="of the same model. Received '.*ckpt-3'"):
        manager(tmp_path, step, **other).restore_or_initialize()


def test_the_disk_must_have_room_for_all_checkpoints(tmp_path, monkeypatch):
    weights = [tf.Variable(tf.zeros([700, 11])), tf.Variable(tf.zeros([13]))]
    model = SimpleNamespace(variables=weights, trainable_variables=weights[:1])
    one = 4 * (700 * 11 + 13) + 2 * 4 * 700 * 11  # weights, and two slots of what is trained
    settings = config_definitions.TrainerConfig(max_to_keep=3)
    usage = SimpleNamespace(free=4 * one)
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda _: usage)
    checkpoints.check_space(tmp_path / "new", model, settings)
    usage.free -= 1
    with pytest.raises(InputError, match="room for 4 checkpoints of 0.1 MiB .max_to_keep=3"):
        checkpoints.check_space(tmp_path / "new", model, settings)
    (tmp_path / "ckpt-7.index").write_bytes(b"x")  # existing checkpoints will be replaced
    checkpoints.check_space(tmp_path, model, settings)
