"""No artefact contains local paths, ops that a server lacks, or Python functions."""

import os

import pytest
from tensorflow.python.framework import op_def_registry

from albert_tf.export import manifest
from tests.support import served_tasks


@pytest.fixture(params=["encoder", "preprocessor", *served_tasks.KINDS])
def artefact(request, exports, exported):
    folder = exports / request.param
    return folder if folder.is_dir() else exported(request.param).path


def test_artefacts_contain_no_local_paths(artefact):
    # Parts of the paths of fixtures, temporary files, the checkout and installed packages.
    words = (b"build-machine", b"pytest-of", b"/tmp", b"/home", b"site-packages", b"albert_tf/")
    for file in artefact.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            leaked = [word for word in (*words, os.getcwd().encode()) if word in content]
            assert not leaked, file


def test_artefacts_use_only_ops_of_tensorflow_and_tf_text(artefact):
    ops = manifest.read(artefact)["ops"]
    # This process has loaded the op libraries of these two packages and no others.
    assert [op for op in ops if op_def_registry.get(op) is None] == []
    assert not {"PyFunc", "PyFuncStateless", "EagerPyFunc"} & set(ops)
