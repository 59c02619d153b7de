"""Fixtures for all tests; silences TensorFlow's messages at start-up."""

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

from albert_tf.tokenization.tokenizer import AlbertTokenizer  # noqa: E402
from tests.support.commands import call  # noqa: E402
from tests.support.release_server import archive, serving  # noqa: E402

# Files that share models which take long to make. They run in one process, which makes them once.
EXPORTS = ("tests/export/",)
QUICKSTART = (
    "tests/docs_test.py",
    "tests/readme_test.py",
    "tests/pretraining/experiment_test.py",
    "tests/quickstart/",
    "tests/tasks/whole_run_test.py",
    "tests/tasks/classification/zero_shot_test.py",
)


@pytest.hookimpl(optionalhook=True)  # for runs without pytest-xdist
def pytest_xdist_make_scheduler(config, log):
    """Distributes files over processes, as `--dist loadfile` does, but shared models once."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            for files in (EXPORTS, QUICKSTART):
                if nodeid.startswith(files):
                    return files[0]
            return super()._split_scope(nodeid)

    return Scheduling(config, log)


def pytest_collection_finish():
    """Seeds TensorFlow once, as setting a seed clears the SentencePiece models in its kernels."""
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].random.set_seed(0)


@pytest.fixture(autouse=True)
def _seeded():
    """Seeds the generators of Python and NumPy for tests that set no seed of their own."""
    random.seed(0)
    np.random.seed(0)


@pytest.fixture(scope="session")
def spm():
    """The tokenizer of the SentencePiece model that the goldens were made with."""
    return AlbertTokenizer(TESTDATA / "tokenization/spm.model")


@pytest.fixture(scope="session")
def quickstart_arguments(tmp_path_factory):
    """Arguments for a quickstart of a few steps, in a folder named as in the README."""
    out = tmp_path_factory.mktemp("pipeline") / "quickstart"
    text = TESTDATA / "pretraining_data/corpus.txt.gz"
    return [
        *("--input", str(text), "--output_dir", str(out)),
        *("--vocab_size", "500", "--train_steps", "6"),
    ]


@pytest.fixture(scope="session")
def quickstart_folder(quickstart_arguments):
    """The folder of a short quickstart, which is run once for all tests that use it."""
    return Path(call("quickstart", *quickstart_arguments).output_dir)


@pytest.fixture(scope="module")
def released(quickstart_folder, tmp_path_factory):
    """Serves a quickstart's model as albert_base_v2; returns the folder above the quickstart."""
    folder = tmp_path_factory.mktemp("released")
    call("convert", quickstart_folder / "run", "--to", "tf1", folder / "model")
    with pytest.MonkeyPatch.context() as patch, serving(patch, folder / "cache") as server:
        server.add("albert_base_v2", archive(folder / "model"))
        yield quickstart_folder.parent


@pytest.fixture
def answers_of_stdin(monkeypatch, capsys):
    """A function that passes text to `albert-tf predict` on stdin and returns the answers."""

    def answers(folder, text, *flags):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        capsys.readouterr()
        call("predict", "--model_dir", folder, *flags)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return answers
