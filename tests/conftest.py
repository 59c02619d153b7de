"""Fixtures that several test folders share."""

import io
import json
import os
import random
import sys
from pathlib import Path

from tests.support.paths import TESTDATA

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
import pytest  # noqa: E402

from tests.support.commands import call  # noqa: E402


@pytest.fixture(autouse=True)
def _seeded():
    """Seeds all random number generators, so that every run of a test is the same."""
    random.seed(0)
    np.random.seed(0)
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].random.set_seed(0)


@pytest.fixture(scope="session")
def quickstart_arguments(tmp_path_factory):
    """Returns the arguments of a short quickstart, in a folder named as in the README."""
    out = tmp_path_factory.mktemp("pipeline") / "quickstart"
    text = TESTDATA / "pretraining_data/corpus.txt.gz"
    return [
        *("--input", str(text), "--output_dir", str(out)),
        *("--vocab_size", "500", "--train_steps", "6"),
    ]


@pytest.fixture(scope="session")
def quickstart_folder(quickstart_arguments):
    """Runs the short quickstart once per session and returns its folder."""
    return Path(call("quickstart", *quickstart_arguments).output_dir)


@pytest.fixture
def answers_of_stdin(monkeypatch, capsys):
    """Returns a function that runs `albert-tf predict` on standard input and parses its output."""

    def answers(folder, text, *flags):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        capsys.readouterr()
        call("predict", "--model_dir", folder, *flags)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return answers
