"""Commands that know how much they will write look first whether the disk has room for it."""

import os
import shutil
from types import SimpleNamespace

import pytest

from albert_tf import AlbertEncoder
from albert_tf.errors import InputError
from albert_tf.formats.load import load
from albert_tf.tokenization import vocabulary
from tests.support.commands import call
from tests.support.paths import TESTDATA


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "model"
    shutil.copytree(TESTDATA / "hf_tasks/classification", folder)
    vocabulary.train(["a fine film", "not worth two hours"] * 50, folder / "spiece", 30)
    return folder


@pytest.fixture
def room(monkeypatch):
    """Sets the number of bytes that are free, and forbids the work that comes after the check."""

    def set_room(size):
        def work(*args, **kwargs):
            raise AssertionError("the work began")

        monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=size))
        for name in (
            "tensorflow.saved_model.save",
            "albert_tf.export.lite_model._convert",
            "albert_tf.tokenization.vocabulary._train",
            "albert_tf.formats.tf1.write",
            "albert_tf.formats.checkpoint.write",
        ):
            monkeypatch.setattr(name, work)

    return set_room


COMMANDS = {
    "convert": (("convert", "MODEL", "--to", "tf1", "OUT"), 4),
    "task": (("export", "task", "MODEL", "OUT"), 4),
    "encoder": (("export", "encoder", "MODEL", "OUT"), 4),
    "lite": (("export", "lite", "MODEL", "OUT"), 4),
    "lite float16": (("export", "lite", "MODEL", "OUT", "--precision", "float16"), 2),
    "lite int8": (("export", "lite", "MODEL", "OUT", "--precision", "int8"), 1),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_weights_must_fit(name, model, room, tmp_path):
    words, width = COMMANDS[name]
    words = [{"MODEL": model, "OUT": tmp_path / "out"}.get(word, word) for word in words]
    source = load(model)
    size = source.weights.parameters * width
    if name == "encoder":  # without the classifier
        size = sum(
            width * source.weights[n].size for n, p in source.parts.items() if p == "encoder"
        )
    room(size - 1)
    with pytest.raises(
        InputError, match=rf"must have room .*needs {size / 2**20:,.1f} MiB and has"
    ):
        call(*words)
    assert os.listdir(tmp_path) == []
    room(size)
    with pytest.raises(AssertionError, match="the work began"):
        call(*words)


def test_a_saved_model_must_fit(model, room, tmp_path):
    encoder = AlbertEncoder.from_pretrained(model)
    size = 4 * encoder.count_params()
    room(size - 1)
    with pytest.raises(InputError, match=r"must have room .*out', which needs"):
        encoder.save_pretrained(tmp_path / "out")
    assert os.listdir(tmp_path) == []
    room(size)
    with pytest.raises(AssertionError, match="the work began"):
        encoder.save_pretrained(tmp_path / "out")


def test_a_vocabulary_must_fit(room, tmp_path):
    (tmp_path / "in.txt").write_text("a fine film\n")
    words = ("vocab", "--input", tmp_path / "in.txt", "--output", tmp_path / "v")
    room(30_000 * 14 - 1)
    with pytest.raises(InputError, match=r"must have room .*which needs 0.4 MiB"):
        call(*words)
    room(30_000 * 14)
    with pytest.raises(AssertionError, match="the work began"):
        call(*words)
