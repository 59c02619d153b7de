"""A model that is exported once for all tests, and the results of using it in another process."""

import functools
import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from albert_tf.export import hub_encoder, preprocessor
from albert_tf.tokenization import vocabulary
from tests.support import served_tasks
from tests.support.paths import ROOT, TESTDATA

DROPOUT = 0.4  # tf1_tiny has no dropout; inference gives the same outputs with it.
SEQ_LENGTH = 18


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """A folder like the released ones: tf1_tiny with dropout and a vocabulary of 200 pieces."""
    folder = tmp_path_factory.mktemp("build-machine") / "source"
    shutil.copytree(TESTDATA / "tf1_tiny", folder)
    config = json.loads((folder / "albert_config.json").read_text())
    config.update(hidden_dropout_prob=DROPOUT, attention_probs_dropout_prob=DROPOUT)
    (folder / "albert_config.json").unlink()
    (folder / "albert_config.json").write_text(json.dumps(config))
    with gzip.open(TESTDATA / "pretraining_data/corpus.txt.gz", "rt") as lines:
        vocabulary.train(lines, folder / "small", vocab_size=200, character_coverage=0.99)
    return folder


@pytest.fixture(scope="session")
def exports(source, tmp_path_factory):
    """The exported encoder and preprocessor, moved from the folder of the export to `hub/`."""
    written = tmp_path_factory.mktemp("build-machine")
    copy = written / "source"
    shutil.copytree(source, copy)
    hub_encoder.export(copy, written / "encoder", check=False)
    preprocessor.export(copy, written / "preprocessor", SEQ_LENGTH, check=False)
    moved = tmp_path_factory.mktemp("elsewhere") / "hub"
    moved.mkdir()
    for name in ("encoder", "preprocessor"):
        shutil.move(written / name, moved / name)
    shutil.rmtree(written)
    return moved


@pytest.fixture(scope="session")
def exported(source, tmp_path_factory):
    """A function that returns the export of a kind of task; each is written and loaded once.

    A second argument is the precision of its products.
    """

    def export(kind, products="float32"):
        folder = tmp_path_factory.mktemp("build-machine")
        return served_tasks.export(kind, source, folder, products=products)

    return functools.cache(export)


@pytest.fixture(scope="session")
def encoders(source, exports, tmp_path_factory):
    """A function that returns the loaded encoder of a precision, with or without padding."""
    folder = tmp_path_factory.mktemp("encoders")

    def load(products, remove_padding=True):
        path = folder / f"{products}{remove_padding}"
        if products == "float32" and remove_padding:
            path = exports / "encoder"
        elif not path.exists():
            settings = dict(check=False, remove_padding=remove_padding, precision=products)
            hub_encoder.export(source, path, **settings)
        return path, tf.saved_model.load(str(path))

    return load


@pytest.fixture(params=served_tasks.KINDS)
def served(request, exported):
    """An export of each kind of task."""
    return exported(request.param)


@pytest.fixture(scope="session")
def results(exports, tmp_path_factory):
    """The results of `clean_process_program.py` on the exports, by topic."""
    answer = tmp_path_factory.mktemp("answer") / "answer.json"
    program = ROOT / "tests/support/clean_process_program.py"
    readme = Path(hub_encoder.__file__).with_name("README.md")
    finished = subprocess.run(
        [sys.executable, program, TESTDATA / "tf1_tiny", readme, answer],
        cwd=exports.parent,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr[-6000:]
    return json.loads(answer.read_text())
