"""Paths for every test, and quiet start-up of TensorFlow."""

import io
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent))

import pytest  # noqa: E402
from commands import call  # noqa: E402

TESTDATA = Path(__file__).parent / "testdata"


@pytest.fixture(scope="session")
def quickstart_arguments(tmp_path_factory):
    """A quickstart of a few steps on the original's corpus, in a folder named as in the README."""
    out = tmp_path_factory.mktemp("road") / "quickstart"
    text = TESTDATA / "pretraining_data/corpus.txt.gz"
    return [
        *("--input", str(text), "--output_dir", str(out)),
        *("--vocab_size", "500", "--train_steps", "6"),
    ]


@pytest.fixture(scope="session")
def quickstart_folder(quickstart_arguments):
    """The folder of that quickstart, run once for all tests that look at it."""
    return Path(call("quickstart", *quickstart_arguments).output_dir)


@pytest.fixture
def answers_of_stdin(monkeypatch, capsys):
    """Gives a text to `albert-tf predict` on standard input, and returns the answers it prints."""

    def answers(folder, text, *flags):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        capsys.readouterr()
        call("predict", "--model_dir", folder, *flags)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return answers
