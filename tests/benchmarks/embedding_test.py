"""The benchmark of embeddings, on a tiny model and in this process."""

import sys

import numpy as np
import pytest

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.tasks.embedding.model import AlbertEmbedder
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from benchmarks import artefacts, embedding, report, worker
from tests.support import tiny_task


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The models that the benchmark writes."""
    root = tmp_path_factory.mktemp("benchmark")
    embedding.write_models(AlbertConfig(**tiny_task.MODEL), root)
    return root


class Local:
    """A worker without a process of its own."""

    def __init__(self, load, folder):
        try:
            self._bind = load(folder)
        except ImportError as error:
            raise worker.Failed(f"Traceback\n{error}") from error

    def bind(self, batch):
        self._call = self._bind(batch)
        return [np.asarray(output) for output in self._call()]

    def run(self, calls):
        return 0.5

    def stop(self):
        pass


def _fake(vectors):
    return lambda folder, cores: lambda batch: lambda: (vectors,)


def test_texts_have_the_lengths_of_documents():
    tokenizer = AlbertTokenizer(artefacts.PIECES)
    texts = embedding.texts(300)
    words = np.array([len(text.split()) for text in texts])
    assert words.max() == 510 and 40 < np.median(words) < 75 and texts == embedding.texts(300)
    lengths = np.array([len(ids) for ids in tokenizer.encode_batch(texts)])
    assert np.mean(lengths == words) > 0.5 and np.max(np.abs(lengths / words - 1)) < 0.3


def test_systems_agree_and_those_that_are_missing_are_named(folder, monkeypatch):
    monkeypatch.setattr(embedding, "Worker", Local)
    monkeypatch.setattr(embedding.os, "sched_setaffinity", lambda *_: None, raising=False)
    monkeypatch.setitem(embedding.os.environ, "OMP_NUM_THREADS", "2")
    texts = ["a fine film", "two hours", "the river"]
    model = AlbertEmbedder.from_pretrained(folder / "model")
    tokenizer = AlbertTokenizer.from_pretrained(folder / "model")
    alone = np.concatenate([model(tokenizer([text])).numpy() for text in texts])

    def missing(folder, cores):
        raise ImportError("No module named 'peer'")

    names = (embedding.OURS, embedding.INT8, "albert-tf embed")
    systems = {name: embedding.SYSTEMS[name] for name in names}
    systems |= {"exact": _fake(alone), "missing": missing}
    monkeypatch.setattr(embedding, "SYSTEMS", systems)
    lines = embedding.measure(folder, texts, [2, 1], 2, [*systems]).splitlines()
    rows = [line for line in lines if line.endswith("| 6.0 | 1.00 (1.00 to 1.00) |")]
    assert [row.rsplit(" | 6.0")[0] for row in rows] == [
        f"| {cores} | {name}" for cores in (1, 2) for name in (*names, "exact")
    ]
    assert lines[-1] == "missing: skipped: No module named 'peer'"
    monkeypatch.setitem(systems, "wrong", _fake(alone + 1e-3))
    with pytest.raises(SystemExit, match="wrong differs by 1.0e-03 from albert_tf"):
        embedding.measure(folder, texts, [1], 2, ["wrong"])


def test_the_table_is_written_to_the_page_of_all_tables(monkeypatch, tmp_path, capsys):
    page = tmp_path / "tables.md"
    page.write_text(report.PAGE.read_text())
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(embedding, "in_process", lambda *_: None)
    asked = []
    monkeypatch.setattr(embedding, "measure", lambda *given: asked.append(given) or "| a table |")
    monkeypatch.setattr(sys, "argv", ["embedding", "--texts", "7", "--cores", "1", "--report"])
    embedding.main()
    text = page.read_text()
    part = text.partition("<!-- benchmarks.embedding -->")[2]
    part = part.partition("<!-- end of benchmarks.embedding -->")[0]
    assert part.startswith("\n\nalbert_base_v2, 12 layers,") and part.endswith(
        "\n\n| a table |\n\n"
    )
    assert part.strip() == capsys.readouterr().out.strip()
    assert len(asked[0][1]) == 7 and asked[0][2:4] == ([1], 5)
    assert "<!-- benchmarks.inference -->" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--systems", "albert"], "--systems must be known names. Received 'albert'. Closest: alb"),
        (["--cores", "1", "4096"], "--cores must be at least 1 and at most .* Received 1 4096"),
        (["--texts", "0"], "--texts must be at least 1. Received 0. Change it"),
        (["--rounds", "-1"], "--rounds must be at least 1. Received -1. Change it"),
    ],
)
def test_flags_that_measure_nothing_are_errors(words, message, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["embedding", *words])
    with pytest.raises(InputError, match=message):
        embedding.main()
