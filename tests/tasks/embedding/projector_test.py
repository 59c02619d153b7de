"""Files for TensorBoard's projector, read by its plugin."""

import csv

import numpy as np
import pytest
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.plugins import base_plugin
from tensorboard.plugins.projector import projector_plugin
from werkzeug.test import Client

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.tasks.embedding.model import AlbertEmbedder
from albert_tf.tasks.predictor import Predictor
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support import tiny_task
from tests.support.commands import call

TEXTS = ["a fine film", "", 'two\tdull "hours"', "a\nline\r\nand one", "river"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model and a table of texts."""
    root = tmp_path_factory.mktemp("projector")
    tokenizer = AlbertTokenizer.from_pretrained(tiny_task.VOCAB)
    AlbertEmbedder(AlbertConfig(**tiny_task.MODEL), "mean").save_pretrained(root / "m", tokenizer)
    with open(root / "texts.csv", "w", newline="") as file:
        csv.writer(file).writerows([("kind", "text"), *((f"k{i}", t) for i, t in enumerate(TEXTS))])
    return root


def _served(logdir):
    """The routes of the plugin of a TensorBoard with this folder."""
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(logdir)).Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(logdir))
    context = base_plugin.TBContext(
        logdir=str(logdir), multiplexer=multiplexer, data_provider=provider
    )
    plugin = projector_plugin.ProjectorPlugin(context)
    return {path: Client(app) for path, app in plugin.get_plugin_apps().items()}


def test_tensorboard_reads_vectors_and_columns(folder, tmp_path):
    words = ("embed", "--model", folder / "m", "--input", folder / "texts.csv")
    (tmp_path / "log").mkdir()
    call(*words, "--projector", tmp_path / "log", "--keep_columns", "kind")
    call(*words, "--output", tmp_path / "v.npy")
    served = _served(tmp_path / "log")
    (run,) = served["/runs"].get("/").json
    query = f"/?run={run}&name=embedding"
    (described,) = served["/info"].get(query).json["embeddings"]
    assert described["tensorName"] == "embedding" and described["metadataPath"] == "metadata.tsv"
    vectors = np.frombuffer(served["/tensor"].get(query).data, np.float32).reshape(5, -1)
    assert np.array_equal(vectors, np.load(tmp_path / "v.npy"))
    lines = served["/metadata"].get(query).text.splitlines()
    assert lines[0] == "text\tkind" and len(lines) == 6
    cells = [line.split("\t") for line in lines[1:]]
    assert [row[1] for row in cells] == [f"k{i}" for i in range(5)]
    texts = [row[0].split() for row in cells]
    assert texts == [text.split() or ["(blank)"] for text in TEXTS]


def test_texts_alone_have_no_header(folder, tmp_path):
    words = ("embed", "--model", folder / "m", "--input", folder / "texts.csv")
    call(*words, "--projector", tmp_path / "log")
    lines = (tmp_path / "log/metadata.tsv").read_text().splitlines()
    assert lines[:2] == ["a fine film", "(blank)"] and len(lines) == len(TEXTS)
    assert len((tmp_path / "log/vectors.tsv").read_text().splitlines()) == len(TEXTS)


def test_a_folder_that_cannot_be_written_is_refused_before_work(folder, tmp_path, monkeypatch):
    words = ("embed", "--model", folder / "m", "--input", folder / "texts.csv")
    (tmp_path / "a").write_text("x")
    monkeypatch.setattr(Predictor, "_run", None)
    with pytest.raises(InputError, match="The folder of the projector must be new or empty"):
        call(*words, "--projector", tmp_path)
    with pytest.raises(InputError, match="The folder of the projector must be a directory"):
        call(*words, "--projector", tmp_path / "a")
    with pytest.raises(InputError, match="written to one place. Received --output 'v.npy' and"):
        call(*words, "--projector", tmp_path / "b", "--output", "v.npy")
