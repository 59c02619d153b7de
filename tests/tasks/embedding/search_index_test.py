"""Indexes: hits against NumPy, from Python and from commands; other models and damage refused."""

import json
import shutil
import sys

import numpy as np
import pytest

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.tasks import batching
from albert_tf.tasks.embedding import nearest
from albert_tf.tasks.embedding.model import AlbertEmbedder
from albert_tf.tasks.embedding.search_index import SearchIndex
from albert_tf.tasks.predictor import Predictor
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support import tiny_task
from tests.support.commands import call, status

WORDS = ("fine", "film", "hours", "music", "a", "dull", "river", "two")
TEXTS = [" ".join(WORDS[(i * j + j) % 8] for j in range(2, 3 + i % 5)) + f" {i}" for i in range(23)]
TEXTS[7] = "with a\ttab\nand a line"
TEXTS[11] = TEXTS[3]  # It has the same vector.
QUERIES = ["a fine film", TEXTS[3], "music by the river"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, texts, queries, and the index of the texts."""
    root = tmp_path_factory.mktemp("index")
    tokenizer = AlbertTokenizer.from_pretrained(tiny_task.VOCAB)
    config = AlbertConfig(**{**tiny_task.MODEL, "max_position_embeddings": 24})
    AlbertEmbedder(config, "mean").save_pretrained(root / "model", tokenizer)
    rows = [{"id": f"n{i}", "text": text, "url": f"u{i}"} for i, text in enumerate(TEXTS)]
    (root / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "queries.txt").write_text("".join(f"{text}\n" for text in QUERIES))
    words = ("--input", root / "texts.jsonl", "--output", root / "index")
    call("index", "--model", root / "model", *words, "--pooling", "mean,max")
    return root


@pytest.fixture(scope="module")
def expected(folder):
    """The order of the texts for each query, and the cosines, from vectors of each text alone."""
    model = AlbertEmbedder.from_pretrained(folder / "model", pooling="mean,max")
    tokenizer = AlbertTokenizer.from_pretrained(folder / "model")

    def embed(texts):
        vectors = np.concatenate([model(tokenizer([t], max_length=24)).numpy() for t in texts])
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    cosines = np.round(embed(QUERIES) @ embed(TEXTS).T, 5)
    return np.argsort(-cosines, axis=1, kind="stable"), -np.sort(-cosines, axis=1)


def check(hits, expected):
    """Compares the hits of all queries with the expected ones; those closer than 2e-5 may swap."""
    for found, ids, cosines in zip(hits, *expected, strict=True):
        assert np.max(np.abs([hit.score for hit in found] - cosines[: len(found)])) < 2e-5
        assert [hit.rank for hit in found] == list(range(1, len(found) + 1))
        clear = np.diff(cosines, append=-1) < -4e-5
        for place, hit in enumerate(found):
            if clear[place] and (place == 0 or clear[place - 1]):
                assert hit.id == ids[place]
            assert hit.text == TEXTS[hit.id]


def test_hits_are_those_of_numpy(folder, expected):
    index = SearchIndex.load(folder / "index")
    hits = index.search(QUERIES, top=9)
    assert len(index) == 23 and [len(found) for found in hits] == [9, 9, 9]
    check(hits, expected)
    check(index.search(QUERIES, top=50), expected)
    assert [hit.id for hit in hits[1][:2]] == [3, 11]  # The same score: the first comes first.
    assert hits[1][0].score == hits[1][1].score


def test_an_index_is_built_from_texts_in_memory(folder, expected, tmp_path):
    index = SearchIndex.build(tmp_path / "a", TEXTS, folder / "model", "mean,max", normalize=True)
    check(index.search(QUERIES, top=23), expected)
    columns = [{"body": text, "id": f"n{i}", "rank": "x"} for i, text in enumerate(TEXTS)]
    index = SearchIndex.build(tmp_path / "b", columns, folder / "model", "mean,max")
    (hit,) = index.search(QUERIES[1:2], top=1)[0]
    assert hit[:2] == (1, "n3") and hit[3:] == (TEXTS[3], {"rank": "x"})
    assert hit.to_dict() == {
        **{"rank": 1, "id": "n3", "score": 1.0, "text": TEXTS[3]},
        "input.rank": "x",
    }


def test_the_command_prints_hits(folder, capsys):
    words = ("search", "--index", folder / "index", "--top", 2)
    call(*words, "--query", QUERIES[1], "--query", "with a\ttab\nand a line")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"query: {TEXTS[3]}" and lines[1].split() == ["rank", "id", "score", "text"]
    assert lines[2].split(maxsplit=3) == ["1", "3", "1.0000", TEXTS[3]]
    assert lines[3].split(maxsplit=3) == ["2", "11", "1.0000", TEXTS[3]]
    assert lines[4] == "" and lines[7].split(maxsplit=3)[3] == "with a tab and a line"
    call(*words, "--json", "--query", QUERIES[0])
    (found,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert found["query"] == QUERIES[0] and [hit["rank"] for hit in found["hits"]] == [1, 2]


def test_files_of_queries_have_the_hits_of_each(folder, expected, tmp_path):
    words = ("--keep_columns", "id,url", "--pooling", "mean,max", "--output", tmp_path / "index")
    call("index", "--model", folder / "model", "--input", folder / "texts.jsonl", *words)
    (tmp_path / "q.csv").write_text(
        "hits,text\n" + "".join(f"h{i},{text}\n" for i, text in enumerate(QUERIES))
    )
    words = ("--input", tmp_path / "q.csv", "--keep_columns", "hits", "--top", 3)
    call("search", "--index", tmp_path / "index", *words, "--output", tmp_path / "hits.jsonl")
    found = list(map(json.loads, (tmp_path / "hits.jsonl").read_text().splitlines()))
    assert [row["query"] for row in found] == QUERIES
    assert [row["input.hits"] for row in found] == ["h0", "h1", "h2"]
    for row, cosines in zip(found, expected[1]):
        assert np.max(np.abs([hit["score"] for hit in row["hits"]] - cosines[:3])) < 2e-5
        for hit in row["hits"]:
            number = int(hit["id"][1:])
            assert hit["text"] == TEXTS[number] and hit["url"] == f"u{number}"


def test_an_index_goes_on_after_a_stop_and_is_the_same(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(batching, "POOL", 1)
    words = ("index", "--model", folder / "model", "--input", folder / "texts.jsonl")
    words = (*words, "--pooling", "mean,max", "--batch_size", 4, "--output", tmp_path / "index")
    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "_run", _interrupted(3))
        assert status(*words) == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("index.partial", "index.partial.jsonl")
    ]
    (tmp_path / "index").mkdir()  # An empty folder may be there.
    call(*words)
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    vectors = [np.load(root / "index/vectors.npy") for root in (tmp_path, folder)]
    assert np.max(np.abs(vectors[0] - vectors[1])) < 1e-5
    texts = [(root / "index/texts.jsonl").read_bytes() for root in (tmp_path, folder)]
    assert texts[0] == texts[1]


def _interrupted(after):
    run, count = Predictor._run, iter(range(10**6))

    def stopped(self, *args):
        if next(count) == after:
            raise KeyboardInterrupt
        return run(self, *args)

    return stopped


def test_the_graph_finds_what_comparing_all_finds(folder, expected, tmp_path, monkeypatch, capsys):
    pytest.importorskip("usearch")
    monkeypatch.setattr(nearest, "EXACT", 22)
    monkeypatch.setattr(nearest, "_BLOCK", 5)
    monkeypatch.setattr(nearest, "_THREADS", 1)  # So that the graph is always the same.
    index = SearchIndex.build(tmp_path / "index", TEXTS, folder / "model", "mean,max")
    manifest = json.loads((tmp_path / "index/manifest.json").read_text())
    assert manifest["graph"]["recall_at_10"] == 1.0 and manifest["graph"]["sample"] == 23
    assert "a search finds 1.0000 of the ten nearest" in str(index.folder)
    check(index.search(QUERIES, top=6), expected)
    check(index.search(QUERIES[:1], top=40), [part[:1] for part in expected])
    graph = bytearray((tmp_path / "index/graph.usearch").read_bytes())
    graph[len(graph) // 2] ^= 1
    (tmp_path / "index/graph.usearch").write_bytes(graph)
    with pytest.raises(InputError, match="'graph.usearch' with other bytes than its manifest says"):
        SearchIndex.load(tmp_path / "index")


def test_recall_is_measured(monkeypatch, tmp_path):
    pytest.importorskip("usearch")
    vectors = np.random.default_rng(0).normal(size=[300, 7]).astype(np.float32)
    search = nearest._near
    monkeypatch.setattr(nearest, "_SAMPLE", 50)
    monkeypatch.setattr(nearest, "_THREADS", 1)
    # Of the neighbours, only those with an even id are found.
    monkeypatch.setattr(
        nearest, "_near", lambda *args: [ids[ids % 2 == 0] for ids in search(*args)]
    )
    about = nearest.build(vectors, tmp_path / "graph")
    cosines = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = cosines @ cosines.T
    sample = np.random.default_rng(0).choice(300, 50, replace=False)
    near = np.argsort(-cosines[sample], axis=1)[:, 1:11]
    assert about["recall_at_10"] == round(float(np.mean(near % 2 == 0)), 4)
    assert about["expansion"] == 1024 and about["sample"] == 50


def test_without_usearch_a_large_index_is_refused_before_work(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(nearest, "EXACT", 22)
    monkeypatch.setitem(sys.modules, "usearch", None)
    words = ("--input", folder / "texts.jsonl", "--output", tmp_path / "index")
    match = "more than 22 vectors needs a package .* Received 23 texts. Run pip install 'albert-tf"
    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "_run", None)
        with pytest.raises(InputError, match=match):
            call("index", "--model", folder / "model", *words)
    monkeypatch.setattr(nearest, "EXACT", 23)
    call("index", "--model", folder / "model", *words)


@pytest.mark.parametrize("what", ["weights", "vocabulary"])
def test_another_model_is_refused(what, folder, tmp_path):
    shutil.copytree(folder / "model", tmp_path / "model")
    if what == "weights":
        model = AlbertEmbedder.from_pretrained(folder / "model")
        model.variables[-1].assign_add(model.variables[-1] * 0 + 1e-3)
        shutil.rmtree(tmp_path / "model")
        tokenizer = AlbertTokenizer.from_pretrained(folder / "model")
        model.save_pretrained(tmp_path / "model", tokenizer)
    else:
        (path,) = (tmp_path / "model").rglob("*.preprocess.json")
        values = json.loads(path.read_text())
        path.write_text(json.dumps({**values, "lower_case": not values["lower_case"]}))
    words = ("search", "--index", folder / "index", "--model", tmp_path / "model")
    match = f"is searched with the model that made it. Received .* with {what} [0-9a-f]{{8}}, and"
    for more in (("--query", "x"), ("--input", folder / "queries.txt")):
        with pytest.raises(InputError, match=match):
            call(*words, *more)


def test_a_model_that_moved_is_named(folder, tmp_path, expected):
    shutil.copytree(folder / "index", tmp_path / "index")
    manifest = json.loads((tmp_path / "index/manifest.json").read_text())
    assert manifest["model"]["path"] == str(folder / "model")
    manifest["model"]["path"] = "/elsewhere"
    (tmp_path / "index/manifest.json").write_text(json.dumps(manifest))
    match = "must be where it was, or be named with --model. Received .*'/elsewhere'"
    with pytest.raises(InputError, match=match):
        SearchIndex.load(tmp_path / "index").search("x")
    check(SearchIndex.load(tmp_path / "index", folder / "model").search(QUERIES, 5), expected)


def _cut(path):
    path.write_bytes(path.read_bytes()[:-3])


def _without_a_vector(path):
    np.save(path, np.load(path)[1:])


def _with_nan(path):
    vectors = np.load(path)
    vectors[5, 2] = np.nan
    np.save(path, vectors)


def _other_type(path):
    np.save(path, np.load(path).view(np.int32))


def _no_json(path):
    path.write_bytes(path.read_bytes().replace(b"{", b"["))


def _without_order(path):
    np.save(path, np.load(path)[::-1])


@pytest.mark.parametrize(
    ("name", "damage", "match"),
    [
        ("vectors.npy", _cut, "'vectors.npy' with .* bytes, not"),
        ("vectors.npy", _without_a_vector, "'vectors.npy' with .* bytes, not"),
        ("vectors.npy", _other_type, "type int32, not .* float32"),
        ("vectors.npy", _with_nan, "Vectors must be finite. Received .* in vector 5"),
        ("vectors.npy", lambda p: p.unlink(), "no file 'vectors.npy'"),
        ("texts.jsonl", _cut, "'texts.jsonl' with .* bytes, not"),
        ("texts.jsonl", _no_json, "'texts.jsonl', whose line .* is not JSON"),
        ("offsets.npy", lambda p: p.write_bytes(bytes(p.stat().st_size)), "NumPy cannot read"),
        ("offsets.npy", _without_order, "'offsets.npy', whose number .* is not a place"),
        ("manifest.json", _cut, "The manifest of an index must be JSON"),
        ("manifest.json", lambda p: p.write_text('{"format": 2}'), "must have the format 1"),
        ("manifest.json", lambda p: p.write_text('{"format": 1}'), "must have 'texts' as"),
        ("manifest.json", lambda p: p.unlink(), "must be an existing file"),
    ],
)
def test_damage_is_one_error(name, damage, match, folder, tmp_path):
    shutil.copytree(folder / "index", tmp_path / "index")
    damage(tmp_path / "index" / name)
    with pytest.raises(InputError, match=match):
        SearchIndex.load(tmp_path / "index").search("a fine film")


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--query", "a", "--input", "queries.txt"), "come from --query or from --input. Received"),
        (("--query", "a", "--output", "a.jsonl"), "hits of --query are printed. Received --output"),
        (("--input", "queries.txt", "--output", "a.csv"), "Hits are written as .jsonl. Received"),
        (("--query", "a", "--top", "0"), "top must be at least 1. Received 0"),
    ],
)
def test_flags_that_do_not_fit_are_one_error(words, match, folder):
    with pytest.raises(InputError, match=match):
        call("search", "--index", folder / "index", *words)


def test_an_index_needs_a_new_folder_and_a_text(folder, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    words = ("index", "--model", folder / "model", "--input", tmp_path / "empty.txt", "--output")
    with pytest.raises(InputError, match="new or empty, so that nothing is overwritten"):
        call(*words, folder / "index")
    with pytest.raises(InputError, match="An index needs a text. Received no text"):
        call(*words, tmp_path / "index")
    with pytest.raises(InputError, match="An index is written to a folder. Received --output -"):
        call(*words[:-1])
    with pytest.raises(InputError, match="must have 64 numbers, .* Received the shape \\[2, 5\\]"):
        SearchIndex.load(folder / "index").nearest(np.ones([2, 5], np.float32))
