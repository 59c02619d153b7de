"""What every artefact keeps: no trace of its machine, no op that a server lacks, no Python."""

import os

import pytest
from tensorflow.python.framework import op_def_registry

from albert_tf.export import manifest
from tests.support import served_tasks


@pytest.fixture(params=["encoder", "preprocessor", *served_tasks.KINDS])
def artefact(request, exports, exported):
    found = exports / request.param
    return found if found.is_dir() else exported(request.param).path


def test_no_path_of_the_machine_that_wrote_it(artefact):
    # Folders of the fixtures, of temporary files, of the checkout and of the installed packages.
    words = (b"build-machine", b"pytest-of", b"/tmp", b"/home", b"site-packages", b"albert_tf/")
    for file in artefact.rglob("*"):
        if file.is_file():
            found = [word for word in (*words, os.getcwd().encode()) if word in file.read_bytes()]
            assert not found, file


def test_no_op_but_those_of_tensorflow_and_tf_text_and_no_python(artefact):
    ops = manifest.read(artefact)["ops"]
    # This process has loaded the libraries of both, and no other.
    assert [op for op in ops if op_def_registry.get(op) is None] == []
    assert not {"PyFunc", "PyFuncStateless", "EagerPyFunc"} & set(ops)
