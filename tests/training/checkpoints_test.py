"""Errors in writing and reading checkpoints."""

import contextlib
import resource
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow as tf
import tf_keras
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from official.core import config_definitions

from albert_tf.errors import InputError
from albert_tf.training import checkpoints
from albert_tf.training.checkpoints import Checkpoints
from albert_tf.training.optimizers import AdamWeightDecay


def manager(folder, step, size=1000, max_to_keep=2, **items):
    saved = tf.train.Checkpoint(global_step=step, weights=tf.Variable(tf.ones([size])), **items)
    arguments = dict(max_to_keep=max_to_keep, step_counter=step, checkpoint_interval=1)
    return Checkpoints(saved, str(folder), str(folder), **arguments)


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
    with pytest.raises(InputError, match="ckpt-3: 'ckpt-3.data-00000-of-00001' is truncated"):
        manager(tmp_path, step)
    manager(tmp_path / "other", step).save(step)
    data = tmp_path / "other/ckpt-3.data-00000-of-00001"
    data.write_bytes(bytes(data.stat().st_size))  # as long as before
    with pytest.raises(InputError, match="of the same model. Received '.*ckpt-3'.*if its files"):
        manager(tmp_path / "other", step).restore_or_initialize()


STEPS = (2, 4, 10)  # The last one comes before the others in the order of names.
DATA = "data-00000-of-00001"
NAMES = ["run", "r[1]", "*", "a?b", "a b", "ünï", "{a,b}", "back\\slash", "[!a]", "it's %d", "~"]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A folder with a checkpoint of each step in STEPS."""
    folder = tmp_path_factory.mktemp("sound")
    counter = tf.Variable(0, dtype=tf.int64)
    writer = manager(folder, counter, max_to_keep=9)
    for step in STEPS:
        counter.assign(step)
        assert writer.save(step)
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


FILE_DAMAGE = st.sampled_from(["keep", "keep", "remove", "empty", "half", "one byte"])
STATE = st.sampled_from(["keep", "remove", "empty", "older", "absolute", "binary", "unknown"])


def damage(path, how):
    old = path.read_bytes()
    cut = {"empty": 0, "half": len(old) // 2, "one byte": len(old) - 1}
    if how == "remove":
        path.unlink()
    elif how in cut:
        path.write_bytes(old[: cut[how]])
    return how == "keep"


def write_state(path, how):
    named = {"older": f"ckpt-{STEPS[0]}", "absolute": "/gone/run/ckpt-4", "unknown": "ckpt-99"}
    if how == "remove":
        path.unlink()
    elif how in named:
        path.write_text(
            f'model_checkpoint_path: "{named[how]}"\nall_model_checkpoint_paths: "{named[how]}"\n'
        )
    elif how != "keep":
        path.write_bytes(b"" if how == "empty" else bytes(range(256)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(NAMES),
    state=STATE,
    damages=st.lists(st.tuples(FILE_DAMAGE, FILE_DAMAGE), min_size=3, max_size=3),
    keep=st.sampled_from([1, 9]),
)
def test_a_run_resumes_at_its_newest_complete_checkpoint_or_nothing_changes(
    sound, name, state, damages, keep
):
    with tempfile.TemporaryDirectory() as parent:
        for (
            other
        ) in NAMES:  # A name must not stand for the other folders that it matches as a glob.
            shutil.copytree(sound, Path(parent) / other)
        folder, others = Path(parent) / name, [Path(parent) / n for n in NAMES if n != name]
        complete = []
        for number, (index, data) in zip(STEPS, damages):
            kept = [damage(folder / f"ckpt-{number}.index", index)]
            kept.append(damage(folder / f"ckpt-{number}.{DATA}", data))
            complete += [number] * all(kept)
        write_state(folder / "checkpoint", state)
        before = contents(folder)
        counter = tf.Variable(0, dtype=tf.int64)
        files_left = [n for n in before if n != "checkpoint"]
        if not complete and files_left:
            with pytest.raises(InputError, match="must be complete.*Copy or download it again"):
                manager(folder, counter)
            assert contents(folder) == before
            return
        again = manager(folder, counter, max_to_keep=keep)
        assert again.restore_or_initialize() == (
            str(folder / f"ckpt-{complete[-1]}") if complete else None
        )
        assert int(counter) == (complete[-1] if complete else 0)
        assert contents(folder) == before
        counter.assign(11)
        again.save(11)
        after = contents(folder)
        left = {11, *complete} if keep == 9 else {11}
        for number in STEPS:
            for file in (f"ckpt-{number}.index", f"ckpt-{number}.{DATA}"):
                if number in left:
                    assert after[file] == before[file]
                elif number in complete:
                    assert file not in after
        reader = manager(folder, tf.Variable(0, dtype=tf.int64))
        assert reader.latest_checkpoint == str(folder / "ckpt-11")
        assert all(contents(other) == contents(sound) for other in others)


def test_newer_checkpoints_that_are_not_used_are_named(sound, tmp_path):
    folder = tmp_path / "r[1]"
    shutil.copytree(sound, folder)
    assert not manager(folder, tf.Variable(0)).unused
    (folder / "ckpt-10.index").unlink()
    damage(folder / f"ckpt-4.{DATA}", "one byte")
    assert manager(folder, tf.Variable(0)).unused == [
        "'ckpt-4' ('ckpt-4.data-00000-of-00001' is truncated)",
        "'ckpt-10' ('ckpt-10.index' is missing)",
    ]


def test_checkpoints_of_another_name_are_an_error(step, tmp_path):
    tf.train.Checkpoint(global_step=step).write(str(tmp_path / "mine"))
    with pytest.raises(InputError, match="must be called ckpt-N. Received '.*mine'. Rename"):
        manager(tmp_path, step)


@pytest.mark.parametrize("other", [dict(size=999), dict(head=tf.Variable([0.0, 1.0]))])
def test_a_checkpoint_of_another_model_is_an_error(other, step, tmp_path):
    manager(tmp_path, step).save(step)
    with pytest.raises(InputError, match="of the same model. Received '.*ckpt-3'"):
        manager(tmp_path, step, **other).restore_or_initialize()


def _trained(folder, step, optimizer, units=2):
    """Returns the checkpoints of a model that an optimizer has changed."""
    model = tf_keras.Sequential([tf_keras.layers.Dense(units)])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(tf.ones([4, 3])))
    weights = model.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
    return manager(folder, step, model=model, optimizer=optimizer)


LEGACY = tf_keras.optimizers.legacy


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (LEGACY.SGD, LEGACY.Adam),
        (LEGACY.Adam, LEGACY.Adagrad),
        (AdamWeightDecay, LEGACY.Adam),
        (LEGACY.SGD, AdamWeightDecay),
    ],
)
def test_a_run_does_not_resume_with_another_optimizer(first, second, step, tmp_path):
    _trained(tmp_path, step, first()).save(step)
    _trained(tmp_path, step, first()).restore_or_initialize()
    message = (
        "must resume with its optimizer. Received '.*ckpt-3', whose model fits and whose optimizer "
        "does not. Set OPTIMIZATION as in config.gin, or start in another --model_dir with "
        "--gin.INIT_FROM=.*ckpt-3"
    )
    with pytest.raises(InputError, match=message):
        _trained(tmp_path, step, second()).restore_or_initialize()
    with pytest.raises(
        InputError, match="from a checkpoint of the same model. Received '.*ckpt-3'"
    ):
        _trained(tmp_path, step, second(), units=5).restore_or_initialize()


def test_the_disk_must_have_room_for_all_checkpoints(tmp_path, monkeypatch):
    weights = [tf.Variable(tf.zeros([700, 11])), tf.Variable(tf.zeros([13]))]
    model = SimpleNamespace(variables=weights, trainable_variables=weights[:1])
    one = 4 * (700 * 11 + 13) + 2 * 4 * 700 * 11  # weights, and two slots of what is trained
    trainer = config_definitions.TrainerConfig(max_to_keep=3)
    usage = SimpleNamespace(free=4 * one)
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda _: usage)
    checkpoints.check_space(tmp_path / "new", model, trainer, False)
    usage.free -= 1
    with pytest.raises(InputError, match="room for 4 checkpoints of 0.1 MiB .max_to_keep=3"):
        checkpoints.check_space(tmp_path / "new", model, trainer, False)
    (tmp_path / "ckpt-7.index").write_bytes(b"x")  # existing checkpoints will be replaced
    checkpoints.check_space(tmp_path, model, trainer, False)
