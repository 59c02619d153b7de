"""`albert-tf embed`: vectors of files and lines, in order, with what cannot be written refused."""

import io
import json
import shutil
import sys

import numpy as np
import pytest

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.tasks import batching
from albert_tf.tasks.embedding.model import AlbertEmbedder
from albert_tf.tasks.predictor import Predictor
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support import tiny_task
from tests.support.commands import call, status

TEXTS = ["a fine film", "", "another one that is longer, much longer than all of them " * 2, "x"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model for embeddings, "mean", with its texts."""
    root = tmp_path_factory.mktemp("embed")
    tokenizer = AlbertTokenizer.from_pretrained(tiny_task.VOCAB)
    config = AlbertConfig(**{**tiny_task.MODEL, "max_position_embeddings": 24})
    AlbertEmbedder(config, "mean").save_pretrained(root / "model", tokenizer)
    lines = ["id,text", *(f'n{i},"{text}"' for i, text in enumerate(TEXTS))]
    (root / "texts.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="module")
def expected(folder):
    """Vectors that the model makes of each text alone, cut to 24 tokens."""
    model = AlbertEmbedder.from_pretrained(folder / "model")
    tokenizer = AlbertTokenizer.from_pretrained(folder / "model")
    return np.concatenate([model(tokenizer([text], max_length=24)).numpy() for text in TEXTS])


def command(folder, *words):
    return ("embed", "--model", folder / "model", "--input", folder / "texts.csv", *words)


def test_vectors_are_in_the_order_of_the_texts(folder, expected, tmp_path, capsys):
    call(*command(folder, "--output", tmp_path / "v.npy", "--batch_size", 2))
    vectors = np.load(tmp_path / "v.npy")
    assert vectors.dtype == np.float32 and np.max(np.abs(vectors - expected)) < 1e-5
    error = capsys.readouterr().err
    assert "1 text(s) are cut to 24 tokens" in error
    assert "have no text, and the vector of the special tokens" in error


def test_the_pooling_and_the_columns_can_be_chosen(folder, expected, tmp_path):
    words = ("--pooling", "mean,cls", "--normalize", "--keep_columns", "id,text")
    call(*command(folder, *words, "--output", tmp_path / "v.jsonl"))
    answers = list(map(json.loads, (tmp_path / "v.jsonl").read_text().splitlines()))
    assert [(a["id"], a["text"]) for a in answers] == [(f"n{i}", t) for i, t in enumerate(TEXTS)]
    vectors = np.array([answer["embedding"] for answer in answers])
    size = expected.shape[1]
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    mean = vectors[:, size:]  # Those of "cls" come first.
    mean = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    wanted = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.max(np.abs(mean - wanted)) < 1e-5


@pytest.mark.parametrize("pooling", ["mean", ["mean", "mean"], "mean,mean"])
def test_a_pooling_written_by_hand_has_vectors_of_its_size(pooling, folder, expected, tmp_path):
    shutil.copytree(folder / "model", tmp_path / "model")
    task = json.loads((tmp_path / "model/task.json").read_text())
    task["settings"]["pooling"] = pooling
    (tmp_path / "model/task.json").write_text(json.dumps(task))
    words = ("--model", tmp_path / "model", "--input", folder / "texts.csv")
    for command_name in ("embed", "predict"):
        call(command_name, *words, "--output", tmp_path / "v.npy")
        vectors = np.load(tmp_path / "v.npy")
        assert vectors.shape == expected.shape and np.max(np.abs(vectors - expected)) < 1e-5


def test_standard_input_is_read(folder, monkeypatch, capsys):
    class Standard:
        buffer = io.BytesIO("\n".join(TEXTS).encode())

    monkeypatch.setattr(sys, "stdin", Standard)
    call("embed", "--model", folder / "model", "--seq_length", "9")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(TEXTS) and list(json.loads(lines[0])) == ["embedding"]


def test_it_goes_on_after_a_stop_with_the_same_bytes(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(batching, "POOL", 1)
    call(*command(folder, "--output", tmp_path / "whole.npy", "--batch_size", 1))
    words = command(folder, "--output", tmp_path / "v.npy", "--batch_size", 1)
    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "_run", _interrupted(2))
        assert status(*words) == 130
    assert (tmp_path / "v.npy.partial").exists() and not (tmp_path / "v.npy").exists()
    call(*words)
    assert (tmp_path / "v.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"v.npy", "whole.npy"}


def _interrupted(after):
    run, count = Predictor._run, iter(range(10**6))

    def stopped(self, *args):
        if next(count) == after:
            raise KeyboardInterrupt
        return run(self, *args)

    return stopped


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--output", "v.npy", "--keep_columns", "id"), "A .npy file has vectors only. Received"),
        (("--output", "v.bin"), r"written as .jsonl, .csv, .tsv, .parquet, .npy or .tfrecord"),
        (("--output", "v.npy", "--pooling", "average"), "Unknown pooling. Received 'average'"),
        (("--output", "v.npy", "--seq_length", "25"), "Received seq_length=25, max_position"),
        (("--output", "v.npy", "--seq_length", "2"), "room for a token .*Received seq_length=2. R"),
        (
            ("--output", "v.npy", "--seq_length", "0"),
            "must be at least 1. Received 0. Leave it out",
        ),
        (("--output", "v.npy", "--seq_length", "-1"), "seq_length must be at least 1. Received -1"),
        (("--output", "v.npy", "--seq_length", "1", "--windows", "mean"), "Received seq_length=1"),
    ],
)
def test_wrong_settings_are_errors(folder, words, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        call(*command(folder, *words))
    assert not list(tmp_path.iterdir())


def test_an_array_cannot_be_written_to_a_device(folder, tmp_path):
    (tmp_path / "v.npy").symlink_to("/dev/null")
    with pytest.raises(InputError, match="Formats that are not text need a file"):
        call(*command(folder, "--output", tmp_path / "v.npy"))


def test_vectors_that_are_not_finite_are_an_error(folder, tmp_path):
    model = AlbertEmbedder.from_pretrained(folder / "model")
    table = model.encoder.get_embedding_table()
    table.assign(table * np.nan)
    model.save_pretrained(tmp_path / "nan", AlbertTokenizer.from_pretrained(folder / "model"))
    with pytest.raises(InputError, match="Vectors must be finite. Received|NaN"):
        call("embed", "--model", tmp_path / "nan", "--input", folder / "texts.csv", "--output",
             tmp_path / "v.npy")  # fmt: skip


@pytest.mark.parametrize("words", [("--workers", 2), ("--runner", "DirectRunner")])
def test_other_processes_and_beam_write_the_same_bytes(words, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(batching, "POOL", 1)
    flags = ("--batch_size", 2, "--windows", "mean", "--dimensions", 5)
    call(*command(folder, "--output", tmp_path / "whole.npy", *flags))
    call(*command(folder, "--output", tmp_path / "v.npy", *flags, *words))
    assert np.load(tmp_path / "v.npy").shape == (4, 5)
    assert (tmp_path / "v.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
