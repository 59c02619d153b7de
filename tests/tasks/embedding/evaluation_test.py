"""Evaluations: metrics against pytrec_eval, scipy and loops, and every broken row one error."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.tasks.embedding import evaluation, evaluation_files
from albert_tf.tasks.embedding.bm25 import Bm25
from albert_tf.tasks.embedding.model import AlbertEmbedder
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support import tiny_task
from tests.support.commands import call
from tests.support.paths import TESTDATA

GOLDENS = json.loads((TESTDATA / "retrieval/goldens.json").read_text())
DOCUMENTS = ["a fine film", "two dull hours", "music by the river", "A film of two hours.", "so"]
QUERIES = {"q0": "a film", "q1": "hours, two", "3": "the river", "q9": "nothing"}
QRELS = "query-id\tcorpus-id\tscore\nq0\t0\t1\nq0\t3\t2\nq1\t1\t1\n3\t2\t1\n3\t3\t0\n"


def _write(folder, documents=None, queries=None, qrels=QRELS, name="qrels/test.tsv"):
    """Writes a folder in the format of BEIR."""
    rows = [{"_id": str(i), "title": "", "text": text} for i, text in enumerate(DOCUMENTS)]
    asked = [{"_id": name, "text": text} for name, text in QUERIES.items()]
    folder.mkdir(parents=True, exist_ok=True)
    for file, values in (("corpus", documents or rows), ("queries", queries or asked)):
        lines = [value if isinstance(value, str) else json.dumps(value) for value in values]
        (folder / f"{file}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(qrels)
    return folder


def test_metrics_of_a_folder_equal_those_of_pytrec_eval(tmp_path):
    """The vectors of documents are such that the rankings of the goldens result."""
    chosen = [i for i, ids in enumerate(GOLDENS["rankings"]) if len(ids) >= 10]
    chosen = [i for i in chosen if any(grade > 0 for _, grade in GOLDENS["grades"][i])]
    assert len(chosen) == 7
    documents = [{"_id": f"d{i}", "title": f"T{i}", "text": f"t{i}"} for i in range(40)]
    queries = [{"_id": i, "text": f"q{i}"} for i in chosen]
    rows = [f"{i}\td{d}\t{g}\n" for i in chosen for d, g in GOLDENS["grades"][i]]
    qrels = "query-id\tcorpus-id\tscore\n" + "".join(rows)
    data, _ = evaluation_files.read_retrieval(_write(tmp_path, documents, queries, qrels))
    assert data.documents[5] == "T5 t5"

    def embed(texts):
        if texts[0].startswith("T"):
            return np.eye(40)[[int(text.split(" t")[1]) for text in texts]]
        vectors = np.zeros([len(texts), 40])
        for vector, text in zip(vectors, texts):
            ids = GOLDENS["rankings"][int(text[1:])]
            vector[ids] = 100 - np.arange(len(ids))
        return vectors

    found = evaluation.compare(data, {"model": embed})["model"]
    wanted = np.mean([GOLDENS["scores"][i] for i in chosen], axis=0)
    names = ["recall_at_1", "recall_at_10", "mrr_at_10", "ndcg_at_10"]
    assert np.allclose([found[name] for name in names], wanted[[0, 2, 3, 4]], atol=1e-12)
    assert found["recall_at_100"] == 1.0


def test_a_document_with_the_id_of_the_query_is_not_ranked(tmp_path):
    qrels = "query-id\tcorpus-id\tscore\n3\t2\t1\n"
    data, _ = evaluation_files.read_retrieval(_write(tmp_path, qrels=qrels, name="qrels.tsv"))
    assert data.own == [3]
    # Document 3 would be the first, and then 2.
    cosines = {"the river": 1.0, DOCUMENTS[3]: 1.0, DOCUMENTS[2]: 0.9}

    def embed(texts):
        angles = [np.arccos(cosines.get(text, 0.0)) for text in texts]
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)

    vectors = embed(data.queries), embed(data.documents)
    assert evaluation.of_vectors(data, *vectors)["recall_at_1"] == 1.0


def test_words_alone_rank_documents(tmp_path):
    data, reports = evaluation_files.read_retrieval(_write(tmp_path))
    found = evaluation.of_words(data)
    bm25 = Bm25(DOCUMENTS)
    orders = [np.argsort(-bm25.scores(query), kind="stable") for query in data.queries]
    first = [order[0] in grades for order, grades in zip(orders, data.grades)]
    assert data.queries == ["a film", "hours, two", "the river"]
    assert found["recall_at_1"] == np.mean([0.5 * first[0], first[1], first[2]])
    assert reports[1].kept == 3 and "no document is relevant: 'q9'" in str(reports[1])


def test_random_vectors_are_close_to_chance():
    grades = [{i: 1.0} for i in range(300)]
    texts = [f"d{i}" for i in range(300)]
    data = evaluation_files.Retrieval(texts, texts, grades, [None] * 300)
    found = evaluation.compare(data, {})["random"]
    assert found["recall_at_10"] == 1.0  # The query is a document, and has the vector of it.
    data = data._replace(queries=[f"q{i}" for i in range(300)])
    found = evaluation.compare(data, {})["random"]
    assert abs(found["recall_at_10"] - 10 / 300) < 0.03
    assert found == evaluation.compare(data, {})["random"]
    pairs = evaluation_files.Pairs(texts, [f"q{i}" for i in range(300)], list(range(300)))
    assert abs(evaluation.compare(pairs, {})["random"]["pearson"]) < 0.15
    vectors = evaluation.random_vectors(["a", "b", "b", "c"], 50)
    assert vectors.shape == (4, 50) and np.array_equal(vectors[1], vectors[2])
    assert abs(vectors.mean()) < 0.2 and abs(vectors.std() - 1) < 0.2


RNG = np.random.default_rng(5)


def test_scores_are_correlated_with_cosines():
    vectors, targets = RNG.normal(size=(9, 2, 4)).astype(np.float32), RNG.uniform(size=9)
    cosines = [a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) for a, b in vectors]
    data = evaluation_files.Pairs([""] * 9, [""] * 9, targets)
    metrics = evaluation.of_vectors(data, vectors[:, 0], vectors[:, 1])
    assert metrics["spearman"] == pytest.approx(stats.spearmanr(targets, cosines)[0])
    assert metrics["pearson"] == pytest.approx(stats.pearsonr(targets, cosines)[0], abs=1e-6)
    wanted = np.mean((targets - np.array(cosines)) ** 2)
    assert metrics["mean_squared_error"] == pytest.approx(wanted, abs=1e-6)


def test_each_anchor_is_to_find_its_positives_among_those_of_all_pairs():
    # Anchor 10 has the positives 20 and 21; anchor 20 is the positive of another pair.
    texts = np.array([[10, 20], [10, 21], [11, 22], [20, 23]])
    direction = {
        10: (1, 0.0), 11: (0, 1), 20: (1, 0.1), 21: (0.1, 1), 22: (0.2, 1), 23: (1, 0.2)
    }  # fmt: skip
    data, queries, documents = evaluation.to_find(texts, [(f"{a}", f"{b}") for a, b in texts])
    assert data.queries == ["10", "11", "20"] and data.documents == ["20", "21", "22", "23"]
    vectors = np.array([[direction[text] for text in row] for row in texts])
    # 10 finds 20, 23, 22, 21; 11 finds 21, 22, ...; 20 finds 23 after itself, which is no answer.
    metrics = evaluation.of_vectors(data, vectors[queries, 0], vectors[documents, 1])
    assert metrics["recall_at_1"] == pytest.approx((0.5 + 0 + 1) / 3)
    assert metrics["recall_at_10"] == 1
    assert metrics["mrr_at_10"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    gains = (1 + 1 / math.log2(5)) / (1 + 1 / math.log2(3))
    assert metrics["ndcg_at_10"] == pytest.approx((gains + 1 / math.log2(3) + 1) / 3)
    assert metrics["distinct_answers"] == 3


def test_words_find_positives_and_compare_pairs():
    pairs = [("a red file", "the red one"), ("a blue list", "blue"), ("an old path", "path, old")]
    data, _, _ = evaluation.to_find(np.array([[0, 1], [2, 3], [4, 5]]), pairs)
    assert evaluation.of_words(data)["mrr_at_10"] == 1
    data = evaluation_files.Pairs(*map(list, zip(*pairs)), [1 / 5, 1 / 3, 2 / 3])
    assert evaluation.of_words(data)["mean_squared_error"] == pytest.approx(0)


def test_uniformity_is_that_of_all_pairs(monkeypatch):
    vectors = RNG.normal(size=(7, 3))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [math.exp(-2 * np.sum((units[i] - units[j]) ** 2)) for i in range(7) for j in range(i)]
    expected = -math.log(np.mean(pairs))
    assert evaluation.of_texts(vectors)["uniformity"] == pytest.approx(expected)
    assert evaluation.of_texts(np.ones([5, 3]))["uniformity"] == pytest.approx(0, abs=1e-12)
    monkeypatch.setattr(evaluation, "_COMPARED", 4)  # Rows 0, 2, 4 and 6.
    some = evaluation.of_texts(vectors)["uniformity"]
    assert some == pytest.approx(evaluation.of_texts(vectors[::2])["uniformity"])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model, and what it makes of texts, each alone."""
    folder = tmp_path_factory.mktemp("model") / "model"
    tokenizer = AlbertTokenizer.from_pretrained(tiny_task.VOCAB)
    AlbertEmbedder(AlbertConfig(**tiny_task.MODEL), "mean").save_pretrained(folder, tokenizer)
    model = AlbertEmbedder.from_pretrained(folder)

    def embed(texts):
        vectors = np.concatenate([model(tokenizer([text])).numpy() for text in texts])
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return folder, embed


def test_the_command_measures_a_folder(model, tmp_path, capsys):
    folder, embed = model
    words = ("--input", _write(tmp_path / "beir"), "--baseline", folder, "--pooling", "cls")
    call("evaluate", "--model", folder, *words, "--output", tmp_path / "scores.json")
    values = json.loads((tmp_path / "scores.json").read_text())
    assert list(values["metrics"]) == ["model", "baseline", "words", "random"]
    assert values["metrics"]["model"] == values["metrics"]["baseline"]
    call("evaluate", "--model", folder, *words[:2], "--output", tmp_path / "scores.json")
    values = json.loads((tmp_path / "scores.json").read_text())
    order = np.argsort(-embed(list(QUERIES.values())[:3]) @ embed(DOCUMENTS).T, axis=1).tolist()
    order[2].remove(3)  # The document "3" is not ranked for the query "3".
    places = [[order[0].index(0), order[0].index(3)], [order[1].index(1)], [order[2].index(2)]]
    wanted = {
        "recall_at_1": np.mean([np.sum(np.array(p) < 1) / len(p) for p in places]),
        "recall_at_10": 1.0,
        "recall_at_100": 1.0,
        "mrr_at_10": np.mean([1 / (min(p) + 1) for p in places]),
    }
    gains = [1, 2], [1], [1]
    best = [2 + 1 / np.log2(3), 1, 1]
    ndcg = [
        sum(gain / np.log2(place + 2) for gain, place in zip(*row)) / most
        for *row, most in zip(gains, places, best)
    ]
    assert values["metrics"]["model"] == pytest.approx(wanted | {"ndcg_at_10": np.mean(ndcg)})
    assert values["rows"]["document"]["rows"] == 5 and values["models"] == {"model": str(folder)}
    lines = capsys.readouterr().out.splitlines()
    name, *numbers = lines[-1].split()
    assert name == "ndcg_at_10" and len(numbers) == 3 and numbers[0] == f"{np.mean(ndcg):.4f}"


def test_the_command_measures_pairs(model, tmp_path, capsys):
    folder, embed = model
    rows = list(zip(DOCUMENTS, reversed(DOCUMENTS), [0.5, 3, 5, 1, 2]))
    lines = ["a\tid\tb\tgrade", *(f"{a}\tx\t{b}\t{grade}" for a, b, grade in rows)]
    (tmp_path / "sts.tsv").write_text("\n".join(lines) + "\n")
    words = ("--input", tmp_path / "sts.tsv", "--columns", "a,b,grade")
    call("evaluate", "--model", folder, *words, "--output", tmp_path / "scores.json")
    metrics = json.loads((tmp_path / "scores.json").read_text())["metrics"]
    cosines = np.sum(embed(DOCUMENTS) * embed(DOCUMENTS[::-1]), axis=1)
    grades = np.array([row[2] for row in rows])
    assert metrics["model"]["pearson"] == pytest.approx(
        np.corrcoef(cosines, grades)[0, 1], abs=1e-3
    )
    # Pairs that are the reverse of each other have the same cosine, and the mean of two ranks.
    rounded = np.round(cosines, 5)
    ranks = [np.mean(np.flatnonzero(np.sort(rounded) == value)) for value in rounded]
    spearman = np.corrcoef(ranks, np.argsort(np.argsort(grades)))[0, 1]
    assert metrics["model"]["spearman"] == pytest.approx(spearman, abs=1e-6)
    assert "5 x pair" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            dict(documents=['{"_id": "1"']),
            "must have one object per line. Received line 1 of .*cor",
        ),
        (dict(documents=['{"text": "a"}']), r"line 1 of .*corpus.jsonl' without '_id'"),
        (dict(documents=['{"_id": "", "text": "a"}']), "must have an id. Received line 1 of .*cor"),
        (
            dict(documents=['{"_id": "1", "text": "a"}', '{"_id": "1", "text": "b"}']),
            "Each document must have its own id. Received '1' at line 2 of .*corpus",
        ),
        (dict(queries=['{"_id": "1"}']), r"line 1 of .*queries.jsonl' without 'text'"),
        (dict(queries=['["x"]']), r"line 1 of .*queries.jsonl', which is of type list"),
        (dict(qrels="q0\t1\t1\n"), r"line 1 of .*test.tsv|the columns"),
        (dict(qrels=QRELS + "q0\t1\n"), "Received 2 in line 7 of .*test.tsv"),
        (dict(qrels=QRELS + "q0\t1\tx\n"), "score must be a finite number. Received 'x' in line 7"),
        (dict(qrels=QRELS + "q0\t1\tnan\n"), "must be a finite number. Received 'nan' in line 7"),
        (dict(qrels=QRELS + "q0\t0\t2\n"), "Each judgement must have its own id. Received"),
        (dict(qrels=QRELS[:27] + "q0\t0\t0\nx\t1\t1\n"), "must have a document with a score above"),
    ],
)
def test_broken_rows_are_one_error(change, match, tmp_path):
    with pytest.raises(InputError, match=match):
        evaluation_files.read_retrieval(_write(tmp_path, **change))


def test_unknown_ids_are_counted(tmp_path):
    qrels = QRELS + "x\t1\t1\ny\t1\t1\nq0\tz\t1\n\n"
    data, (_, _, report) = evaluation_files.read_retrieval(_write(tmp_path, qrels=qrels))
    assert data.grades == [{0: 1.0, 3: 2.0}, {1: 1.0}, {2: 1.0, 3: 0.0}]
    left = {reason: places.count for reason, places in report.left_out.items()}
    assert left == {
        "its query is not in queries.jsonl": 2,
        "its document is not in corpus.jsonl": 1,
        "the line is blank": 1,
    }


@pytest.mark.parametrize(
    ("text", "columns", "match"),
    [
        (
            "sentence1,sentence2,score\na,b,x\n",
            "",
            "A score must be a finite number. Received 'x' ",
        ),
        ("sentence1,sentence2,score\na,b,\n", "", "must be a finite number. Received '' in line 2"),
        ("sentence1,score\na,1\n", "", "'sentence2'"),
        ("sentence1,sentence2,score\na,b,1\n", "", "needs two pairs at least. Received .* with 1"),
        ("a,b,c\n", "a,b", "Pairs have three columns: two texts and a number. Received 'a,b'"),
        ("a,b,c\n", "a,,c", "Pairs have three columns: two texts and a number. Received 'a,,c'"),
    ],
)
def test_pairs_that_do_not_fit_are_one_error(text, columns, match, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    chosen = columns.split(",") if columns else evaluation_files.PAIR_COLUMNS
    with pytest.raises(InputError, match=match):
        evaluation_files.read_pairs(tmp_path / "a.csv", chosen)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--input", "a.csv", "--qrels", "x"), "Received --qrels with 'a.csv'"),
        (("--input", ".", "--columns", "a,b,c"), "Received --columns with '.'"),
        (("--input", "."), "The table of relevant documents must be an existing file"),
        (("--input", "none.csv"), "The file of pairs must be an existing file"),
    ],
)
def test_flags_that_do_not_fit_are_one_error(words, match, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=match):
        call("evaluate", "--model", model[0], *words)
