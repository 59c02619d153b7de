"""Runs that are killed or stopped and then resumed, and other ways in which a run ends."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from albert_tf import AlbertPretrainer, AlbertTokenizer
from albert_tf.errors import InputError
from albert_tf.training import progress, trainer
from albert_tf.training.stopping import StopTraining
from tests.support import tiny_run
from tests.support.killed_run import SETTINGS, STEPS
from tests.support.paths import ROOT
from tests.support.tiny_run import TESTDATA


def run(folder, mode="train", **arguments):
    return tiny_run.run(folder, mode, **{**SETTINGS, **arguments})


def saved(folder, name=None):
    """Returns all arrays in a checkpoint: weights, optimizer slots and counters."""
    reader = tf.train.load_checkpoint(str(folder / name) if name else str(folder))
    names = [n for n in reader.get_variable_to_shape_map() if n != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    return {n: reader.get_tensor(n) for n in names if not n.startswith("save_counter/")}


def assert_equal(folder, other):
    one, two = saved(folder), saved(other)
    assert one.keys() == two.keys() and len(one) > 60
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "uninterrupted"
    run(folder)
    return folder


@pytest.mark.clean_process
def test_resuming_a_killed_run_gives_the_same_weights(uninterrupted, tmp_path):
    # Each save waits for the previous one, so the checkpoint of step 4 is complete at step 8.
    rng, folder = random.Random(7), tmp_path / "killed"
    step, seconds = rng.choice(range(10, STEPS - 16, 2)), rng.uniform(0.0, 0.03)
    command = [sys.executable, "-m", "tests.support.killed_run", folder, str(step), str(seconds)]
    process = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert 0 < int(saved(folder)["global_step/.ATTRIBUTES/VARIABLE_VALUE"]) < STEPS
    run(folder)
    assert_equal(folder, uninterrupted)


def test_a_copied_run_resumes_in_a_folder_of_any_name(uninterrupted, tmp_path, capsys):
    folder = tmp_path / "copy [1]*"
    shutil.copytree(uninterrupted, folder)
    (folder / "checkpoint").unlink()
    (folder / f"ckpt-{STEPS}.index").unlink()
    before = {path.name: path.read_bytes() for path in folder.glob("ckpt-*.index")}
    newest = max(int(name.removeprefix("ckpt-").removesuffix(".index")) for name in before)
    run(folder)
    text = capsys.readouterr().out
    assert f"resuming from '{folder}/ckpt-{newest}', step {newest}; not used" in text
    assert f"'ckpt-{STEPS}' ('ckpt-{STEPS}.index' is missing)" in text
    assert all((folder / name).read_bytes() == content for name, content in before.items())
    again, first = (AlbertPretrainer.from_pretrained(path) for path in (folder, uninterrupted))
    for one, two in zip(again.variables, first.variables):
        np.testing.assert_array_equal(one, two, err_msg=one.name)
    (folder / "ckpt-4.index").unlink(missing_ok=True)
    for path in folder.glob("ckpt-*.data-*"):
        path.write_bytes(path.read_bytes()[:99])
    left = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="must be complete.* Received '.*copy .*is truncated"):
        run(folder)
    assert left == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_with_frozen_embeddings_resumes_exactly(tmp_path):
    """Interrupts the run both while they are frozen and afterwards."""
    frozen = dict(FREEZE="embeddings", FREEZE_STEPS=6, CHECKPOINT_INTERVAL=2)
    run(tmp_path / "whole", **frozen, TRAIN_STEPS=10)
    for end in (4, 8, 10):
        # The schedule must be that of the whole run.
        schedule = {"optimization.config.train_steps": 10}
        run(tmp_path / "parts", **frozen, **schedule, TRAIN_STEPS=end)
    one, two = saved(tmp_path / "whole"), saved(tmp_path / "parts")
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)
    tables = [
        AlbertPretrainer.from_pretrained(tmp_path / "whole" / f"ckpt-{step}").encoder
        for step in (4, 6, 10)
    ]
    first, second, last = (encoder.get_embedding_table().numpy() for encoder in tables)
    np.testing.assert_array_equal(first, second)
    assert (second != last).any()


def test_sigterm_saves_a_checkpoint_and_the_run_can_resume(uninterrupted, tmp_path, capfd):
    folder = tmp_path / "run"

    def stop(_):
        if int(tf.summary.experimental.get_step()) == 6:  # not a multiple of the interval
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as raised:
        run(folder, train_actions=[stop])
    assert raised.value.code == 143
    text = capfd.readouterr().err
    assert "SIGTERM: saving after this step" in text
    assert f"stopped by SIGTERM at step 6; saved {folder}/ckpt-6." in text
    run(folder)
    assert f"resuming from '{folder}/ckpt-6', step 6" in capfd.readouterr().out
    assert_equal(folder, uninterrupted)


def test_a_signal_during_a_loop_ends_it_after_the_current_step(tmp_path, monkeypatch):
    calls = []

    def clock():  # first called just before the first step
        calls.append(None)
        if len(calls) == 1:
            signal.raise_signal(signal.SIGINT)
        return time.monotonic()

    monkeypatch.setattr(trainer, "time", SimpleNamespace(monotonic=clock))
    with pytest.raises(KeyboardInterrupt, match="stopped by SIGINT at step 1; saved .*ckpt-1. Run"):
        run(tmp_path / "run", SUMMARY_INTERVAL=20)
    assert (tmp_path / "run/ckpt-1.index").exists()


def test_a_checkpoint_takes_precedence_over_init_from(uninterrupted, tmp_path, capsys):
    folder, start = tmp_path / "run", str(uninterrupted)
    run(folder, TRAIN_STEPS=6, INIT_FROM=start, LEARNING_RATE=1e-9)
    assert "loaded variables: encoder 25 of 25, masked_lm 5 of 5" in capsys.readouterr().out
    trained, initial = (AlbertPretrainer.from_pretrained(path) for path in (folder, start))
    for one, two in zip(trained.variables, initial.variables):
        np.testing.assert_allclose(one, two, atol=1e-7, err_msg=one.name)
    # Evaluations take place at multiples of the interval, 4, even after resuming at step 6.
    metrics = run(folder, "train_and_eval", TRAIN_STEPS=10, INIT_FROM=start)
    assert f"ckpt-6', step 6; INIT_FROM '{start}' is not used" in capsys.readouterr().out
    history = progress.read_history(folder)
    assert [h["step"] for h in history if h["split"] == "validation"] == [8, 10]
    assert run(folder, "train_and_eval", TRAIN_STEPS=10) == metrics
    assert "step 10 of 10: nothing left to train" in capsys.readouterr().out


def test_an_action_can_stop_training_and_the_best_checkpoint_is_kept(tmp_path, capsys):
    folder, steps = tmp_path / "run", []

    def patience(_):
        steps.append(int(tf.summary.experimental.get_step()))
        if len(steps) == 3:
            raise StopTraining("no better for 2 evaluations")

    # Training does not change this metric, so the first evaluation stays the best.
    best = dict(BEST_METRIC="mlm_unigram_accuracy", BEST_IS="higher")
    exports = []

    def export(source, dest):
        exports.append(len(steps))
        AlbertTokenizer.from_pretrained(source).save(dest)

    metrics = run(
        *(folder, "train_and_eval"),
        eval_actions=[patience],
        export_best=(tmp_path / "hub", export),
        **best,
    )
    assert exports == [0] and (tmp_path / "hub/spm.model").is_file()
    assert "stopped at step 12: no better for 2 evaluations" in capsys.readouterr().out
    assert steps == [4, 8, 12] and (folder / "ckpt-12.index").exists() and metrics["mlm_loss"] > 0
    first, best, last = (
        AlbertPretrainer.from_pretrained(folder / name).encoder.get_embedding_table().numpy()
        for name in ("ckpt-4", "best", "ckpt-12")
    )
    assert (best == first).all() and (best != last).any()


@pytest.fixture
def publish(uninterrupted, tmp_path):
    """Copies a checkpoint of the uninterrupted run and the model's files to a new folder."""

    def copy(step):
        folder = tmp_path / "copy"
        others = shutil.ignore_patterns("ckpt-*", "checkpoint", "validation", progress.HISTORY)
        if not folder.exists():
            shutil.copytree(uninterrupted, folder, ignore=others)
        for path in uninterrupted.glob(f"ckpt-{step}.*"):
            shutil.copy(path, folder)
        (folder / "new").write_text(f'model_checkpoint_path: "ckpt-{step}"\n')
        os.replace(folder / "new", folder / "checkpoint")  # atomic, since it is being read
        return folder

    return copy


def test_continuous_evaluation_follows_a_run_until_its_end(publish, capsys):
    folder = publish(STEPS - 4)

    def train_on(_):
        if not timers:  # the next checkpoint appears while the evaluation waits for it
            timers.append(threading.Timer(0.5, publish, [STEPS]))
            timers[0].start()

    timers = []
    metrics = run(folder, "continuous_eval", TRAIN_STEPS=STEPS, eval_actions=[train_on])
    assert capsys.readouterr().out.count("mlm_accuracy") == 1  # in the report at the end
    history = progress.read_history(folder)
    assert [(h["split"], h["step"]) for h in history] == [
        ("validation", STEPS - 4),
        ("validation", STEPS),
    ]
    before = saved(folder)
    assert metrics == run(folder, "eval", TRAIN_STEPS=STEPS + 1)
    assert history[0]["mlm_loss"] != history[1]["mlm_loss"] == metrics["mlm_loss"]
    after = saved(folder)
    assert all((before[name] == after[name]).all() for name in before)
    assert f"TRAIN_STEPS = {STEPS}\n" in (folder / "config.gin").read_text()


@pytest.fixture
def ctrl_c():
    """Ctrl-C raises KeyboardInterrupt, which a shell turns off for jobs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_a_waiting_evaluation(publish, ctrl_c, capfd):
    def interrupt(_):
        threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()

    with pytest.raises(KeyboardInterrupt):
        run(publish(STEPS), "continuous_eval", TRAIN_STEPS=STEPS + 1, eval_actions=[interrupt])
    assert "saving" not in capfd.readouterr().err


def test_a_nan_loss_stops_the_run_and_keeps_the_last_checkpoint(publish):
    folder = publish(STEPS)
    before = saved(folder)
    message = (
        f"Received nan in the loop that ended at step {STEPS + 2}, with NaN or infinite "
        f"gradients from step {STEPS + 2} on. The last good checkpoint is .*copy/ckpt-{STEPS}. "
        "Likely cause: the learning rate, .*e[+]30, is too high.* Lower LEARNING_RATE"
    )
    with pytest.raises(InputError, match=message):
        run(folder, TRAIN_STEPS=STEPS + 8, LEARNING_RATE=1e31)
    after = saved(folder)
    assert tf.train.latest_checkpoint(folder).endswith(f"ckpt-{STEPS}")
    assert all(
        (before[name] == after[name]).all() and np.isfinite(after[name]).all() for name in before
    )


@pytest.mark.parametrize(
    ("mode", "changes", "message"),
    [
        ("eval", {}, "--mode eval needs trained weights. Received --model_dir .* without a check"),
        (
            "train",
            dict(BATCH_SIZE=0),
            "train_data.global_batch_size, .* must be a positive multiple",
        ),
        ("train", dict(INIT_FROM=TESTDATA / "tf1_tiny"), "vocab_size=1000 here, 200 there"),
        (
            "train",
            dict(INIT_FROM="nowhere"),
            "Received 'nowhere', which does not exist",
        ),
        (
            "train_and_eval",
            dict(BEST_METRIC="mlm_los"),
            "BEST_METRIC must be a metric of the evaluation. Received 'mlm_los'. Closest: mlm_loss",
        ),
        (
            "train",
            dict(export_best=("hub", print)),
            "--export_best needs evaluations .* Received --mode train with BEST_METRIC='mlm_loss'",
        ),
        ("train", {"TrainerConfig.max_to_keep": 10**9}, "disk must have room for 1000000002 check"),
        ("train", dict(STRATEGY="multi_worker_mirrored"), "cluster from .* TF_CONFIG"),
    ],
)
def test_wrong_settings_are_errors_before_anything_is_written(mode, changes, message, tmp_path):
    with pytest.raises(InputError, match=message):
        run(tmp_path / "out", mode, **changes)
    assert not (tmp_path / "out").exists()


def test_the_folder_of_another_experiment_is_rejected_and_not_changed(uninterrupted):
    def state():
        return {path: os.stat(path).st_mtime_ns for path in sorted(uninterrupted.rglob("*"))}

    before = state()
    with pytest.raises(
        InputError, match="resume in its own --model_dir.*hidden_size=36 here, 24 there"
    ):
        run(uninterrupted, **{"model_config.ModelConfig.hidden_size": 36})
    assert state() == before
