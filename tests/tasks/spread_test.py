"""Fine-tuning gives the same weights on any number of devices, and after being killed."""

import json
import random
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tests.support import spread_run
from tests.support.paths import ROOT


def start(folder, *kill):
    words = [sys.executable, "-m", "tests.support.spread_run", str(folder), *map(str, kill)]
    return subprocess.run(words, capture_output=True, text=True, timeout=600, cwd=ROOT)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spread_task")
    # The save at step 4 waits for the save at step 2, so the checkpoint of step 2 is complete.
    rng = random.Random(5)
    step, seconds = rng.randint(5, spread_run.STEPS - 2), rng.uniform(0.0, 0.03)
    killed = start(folder, step, seconds)
    assert killed.returncode == -signal.SIGKILL, (step, seconds, killed.stderr[-3000:])
    done = start(folder)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"resuming from '{folder}/killed/ckpt-" in done.stdout, (step, seconds)
    metrics = json.loads(done.stdout.splitlines()[-1])
    weights = {name: dict(np.load(folder / f"{name}.npz")) for name in metrics}
    return SimpleNamespace(metrics=metrics, weights=weights)


@pytest.mark.clean_process
@pytest.mark.parametrize(
    ("alone", "spread"),
    [("alone", "spread"), ("windows", "windows_spread"), ("pairs", "pairs_spread")],
)
def test_two_devices_with_micro_batches_give_the_weights_of_one_device(alone, spread, runs):
    expected = runs.weights[alone]
    assert len(expected) > 20 and runs.weights[spread].keys() == expected.keys()
    for name, value in runs.weights[spread].items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)
    for name, value in runs.metrics[spread].items():
        assert value == pytest.approx(runs.metrics[alone][name], abs=1e-4), name


@pytest.mark.clean_process
def test_a_killed_run_gives_the_weights_of_an_uninterrupted_run(runs):
    assert runs.weights["killed"].keys() == runs.weights["undisturbed"].keys()
    for name, value in runs.weights["killed"].items():
        np.testing.assert_array_equal(value, runs.weights["undisturbed"][name], err_msg=name)
    tables = [
        runs.weights[n]["model|head|kernel|.ATTRIBUTES|VARIABLE_VALUE"] for n in ("alone", "killed")
    ]
    assert np.any(tables[0] != tables[1])  # Dropout was on.
