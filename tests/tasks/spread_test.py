"""Fine-tuning ends with the same weights however a batch is spread and wherever a run stopped."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import spread_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spread_task")
    command = [sys.executable, spread_run.__file__, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = json.loads(done.stdout.splitlines()[-1])
    weights = {name: dict(np.load(folder / f"{name}.npz")) for name in metrics}
    return SimpleNamespace(metrics=metrics, weights=weights)


@pytest.mark.stranger
def test_two_devices_with_micro_batches_end_as_one(runs):
    expected = runs.weights["alone"]
    assert len(expected) > 20 and runs.weights["spread"].keys() == expected.keys()
    for name, value in runs.weights["spread"].items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)
    for name, value in runs.metrics["spread"].items():
        assert value == pytest.approx(runs.metrics["alone"][name], abs=1e-4), name


@pytest.mark.stranger
def test_a_run_that_was_stopped_ends_as_one_that_was_not(runs):
    assert runs.weights["stopped"].keys() == runs.weights["alone"].keys()
    for name, value in runs.weights["stopped"].items():
        np.testing.assert_array_equal(value, runs.weights["alone"][name], err_msg=name)
