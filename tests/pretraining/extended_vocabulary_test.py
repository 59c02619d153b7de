"""The guides to new words and to longer sequences: every command runs on a very small model."""

import gzip
import json
import re

import numpy as np
import pytest
import tf_keras

import albert_tf
from albert_tf.convert.conversion import convert
from albert_tf.formats.load import load
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.pretraining.experiment_test import commands_of
from tests.support import tiny_task
from tests.support.commands import call, status
from tests.support.paths import TESTDATA

POSITIONS = "encoder/embeddings/position_embeddings/embeddings"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a model named albert_base_v2 and text of a field."""
    monkeypatch.chdir(tmp_path)
    tf_keras.utils.set_random_seed(1)
    model = albert_tf.AlbertPretrainer({**tiny_task.MODEL, "max_position_embeddings": 128})
    model.save_pretrained("albert_base_v2", AlbertTokenizer(tiny_task.VOCAB))
    (tmp_path / "field").mkdir()
    with gzip.open(TESTDATA / "pretraining_data/corpus.txt.gz", "rt") as file:
        documents = file.read().split("\n\n")
    for name, part in (("train", documents[:-20]), ("heldout", documents[-20:])):
        (tmp_path / f"field/{name}.txt").write_text("\n\n".join(part))
    return tmp_path


def run(heading, page, capsys, smaller, changes=()):
    """Runs the commands of a section; returns what each of them printed."""
    outputs = []
    for words in commands_of(page, heading):
        for before, after in changes:
            words = [word.replace(before, after) for word in words]
        if words[0] == "train":
            words += [f"--gin.{name}={value}" for name, value in smaller.items()]
        capsys.readouterr()
        call(*words)
        outputs.append(capsys.readouterr().out)
    return outputs


def test_the_guide_adds_words_and_the_loss_for_each_byte_falls(folder, capsys):
    smaller = dict(
        TRAIN_STEPS=40, WARMUP_STEPS=2, EVAL_INTERVAL=40, BATCH_SIZE=16, LEARNING_RATE=3e-3
    )
    outputs = run("Add the words of a field", "docs/vocabulary.md", capsys, smaller)
    words = [line.split()[0] for line in outputs[0].splitlines()[2:-1]]
    tokenizer = AlbertTokenizer.from_pretrained("models/field")
    first = tiny_task.MODEL["vocab_size"]
    assert 10 < len(words) <= 500 and tokenizer.vocab_size == first + len(words)
    assert [tokenizer.encode(word) for word in words[:9]] == [[first + i] for i in range(9)]
    losses = [
        float(loss)
        for out in outputs[-3:]
        for loss in re.findall(r"^mlm_loss_per_byte +([\d.]+)", out, re.MULTILINE)
    ]
    pieces, before, after = losses
    assert after < before - 0.1 and after < pieces - 0.1
    source = load("runs/words")
    assert source.config.vocab_size == first + len(words)
    assert source.preprocessing == tokenizer.preprocessing
    convert("runs/words", "hugging_face", "hf")
    again = AlbertTokenizer.from_pretrained("hf")
    text = f"The {words[0]}, of {words[1]}"
    assert again.encode(text) == tokenizer.encode(text)


def test_the_guide_trains_longer_sequences(folder, capsys):
    smaller = dict(TRAIN_STEPS=2, WARMUP_STEPS=1, EVAL_INTERVAL=2, BATCH_SIZE=4, EVAL_STEPS=1)
    changes = (("1024", "256"),)
    out = run("Longer sequences", "docs/pretraining.md", capsys, smaller, changes)[-1]
    assert "128 positions repeated to 256" in out
    assert (
        json.loads((folder / "runs/long/albert_config.json").read_text())["max_position_embeddings"]
        == 256
    )
    words = commands_of("docs/pretraining.md", "Longer sequences")[-1]
    words = [word.replace("1024", "256") for word in words]
    words += [f"--gin.{n}={v}" for n, v in (smaller | dict(TRAIN_STEPS=3)).items()]
    call(*words)
    assert "resuming from" in capsys.readouterr().out and load("runs/long").step is not None
    convert("runs/long", "hugging_face", "hf")
    config = json.loads((folder / "hf/config.json").read_text())
    assert config["max_position_embeddings"] == 256
    assert json.loads((folder / "hf/tokenizer_config.json").read_text())["model_max_length"] == 256
    back = albert_tf.AlbertEncoder.from_pretrained("hf")
    ids = np.full([1, 256], 7, np.int32)
    ours = albert_tf.AlbertEncoder.from_pretrained("runs/long")
    np.testing.assert_array_equal(back(ids)["pooled_output"], ours(ids)["pooled_output"])
    capsys.readouterr()
    for change, message in (
        ("MAX_POSITIONS=64", "max_position_embeddings=64 here, 128 there"),
        ("POSITIONS=stretched", "positions must be known. Received 'stretched'"),
        ("MAX_POSITIONS=many", "MAX_POSITIONS must be a whole number or None"),
    ):
        other = [word.replace("runs/long", "runs/other") for word in words]
        assert status(*other, f"--gin.{change}") == 2
        assert message in capsys.readouterr().err
    assert not (folder / "runs/other").exists()
