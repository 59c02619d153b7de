"""Commands that are ended leave the old result or the new one. `make kill` tries all of them."""

import os
import subprocess
import sys

import pytest

from tests.support.paths import ROOT


@pytest.mark.clean_process
def test_a_command_that_is_ended_leaves_the_old_result_or_the_new_one():
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.killed_commands", "KILL,TERM,INT", "12", "3"]
        + ["convert,vocab,data build"],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert done.stdout.count(", 4 times: ") == 3
