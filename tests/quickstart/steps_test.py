"""The quickstart on a small text: all steps, resuming, and errors."""

import functools
import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

import albert_tf
from albert_tf.errors import InputError
from albert_tf.quickstart import corpus
from tests.support.commands import call

quickstart = functools.partial(call, "quickstart")


def test_the_pipeline_writes_all_outputs(quickstart_folder):
    names = {path.name for path in quickstart_folder.iterdir()}
    assert {"text", "vocab.model", "data", "run", "hub", "metrics.json", "loss.png"} <= names
    assert (quickstart_folder / "loss.png").read_bytes()[:4] == b"\x89PNG"
    metrics = json.loads((quickstart_folder / "metrics.json").read_text())
    heldout = metrics["heldout"]
    assert heldout["mlm_ratio"] == heldout["mlm_accuracy"] / heldout["mlm_unigram_accuracy"]
    assert 0.4 < heldout["sop_accuracy"] < 0.6 and heldout["sop_examples"] > 20
    assert len(metrics["fillings"]) == 5 and len(metrics["neighbours"]) == 3
    for filling in metrics["fillings"]:
        assert "[MASK]" in filling["masked"] and len(filling["top"]) == 5
        shares = [share for _, share in filling["top"]]
        assert shares == sorted(shares, reverse=True) and 0 < sum(shares) <= 1
    for neighbours in metrics["neighbours"]:
        assert all(
            -1 <= cosine <= 1 and text != neighbours["sentence"]
            for text, cosine in neighbours["nearest"]
        )
    assert {"training", "vocabulary", "export, encoder", "fine-tuning, classifier"} <= set(
        metrics["seconds"]
    )
    packages = metrics["packages"]
    assert len({answer["label"] for answer in packages["answers"]}) == 5


def test_classifier_scores_match_its_answers(quickstart_folder):
    dev = quickstart_folder / "labelled/dev.jsonl"
    rows = [json.loads(line) for line in dev.read_text().splitlines()]
    labels = [row["label"] for row in rows]
    answers = list(albert_tf.Predictor(quickstart_folder / "classifier")(dev))
    packages = json.loads((quickstart_folder / "metrics.json").read_text())["packages"]
    accuracy = accuracy_score(labels, [answer["label"] for answer in answers])
    assert packages["accuracy"] == pytest.approx(accuracy)
    most_common = max(labels.count(label) for label in labels) / len(labels)
    assert packages["majority_accuracy"] == pytest.approx(most_common)
    by_text = {row["text"]: answer for row, answer in zip(rows, answers, strict=True)}
    for shown in packages["answers"]:
        answer = by_text[shown["text"]]
        assert shown["answer"] == answer["label"]
        assert shown["probability"] == pytest.approx(answer["probability"], abs=1e-5)


def test_retrieval_scores_match_the_vectors_of_the_run(quickstart_folder, capsys):
    rows = [
        json.loads(line)
        for line in (quickstart_folder / "pairs/dev.jsonl").read_text().splitlines()
    ]
    embed = albert_tf.Predictor(quickstart_folder / "embedding")
    vectors = []
    for name in ("text", "rest"):
        path = quickstart_folder.parent / f"{name}.txt"
        path.write_text("".join(f"{row[name]}\n" for row in rows))
        vectors.append(np.stack([answer["embedding"] for answer in embed(path)]))
    queries, found = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in vectors)
    cosines = queries @ found.T
    own = np.diag(cosines)[:, np.newaxis]
    # The model is hardly trained, so many cosines are equal but for rounding.
    first, last = ((cosines > own + limit).sum(axis=1) for limit in (2e-6, -2e-6))
    retrieval = json.loads((quickstart_folder / "metrics.json").read_text())["retrieval"]
    assert retrieval["pairs"] == len(rows) > 5
    assert list(retrieval["scores"]) == ["trained", "initial", "words", "random"]
    for k in (1, 10):
        score = retrieval["scores"]["trained"][f"recall_at_{k}"]
        assert np.mean(last < k) - 1e-6 <= score <= np.mean(first < k) + 1e-6
    places = np.linspace(0, len(rows) - 1, 5).astype(int)[1:-1]
    for place, answer in zip(places, retrieval["answers"], strict=True):
        assert answer["query"] == rows[place]["text"]
        assert first[place] + 1 <= answer["rank"] <= last[place] + 1


def test_held_out_text_is_not_in_the_training_text(quickstart_folder):
    parts = [
        set((quickstart_folder / "text" / f"{part}.txt").read_text().split("\n\n"))
        for part in ("train", "heldout")
    ]
    assert len(parts[1]) > 5 and not (parts[0] & parts[1]) - {""}


def test_a_second_run_repeats_no_step(quickstart_folder, quickstart_arguments, capsys):
    files = ["vocab.model", "run/checkpoint", "hub/encoder/saved_model.pb"]
    before = [(quickstart_folder / f).stat().st_mtime_ns for f in files]
    quickstart(*quickstart_arguments)
    printed = capsys.readouterr().out
    assert printed.count("already done") == 13
    assert "mlm_accuracy" in printed and "[MASK]" in printed
    assert before == [(quickstart_folder / f).stat().st_mtime_ns for f in files]


def test_other_settings_in_the_same_folder_are_refused(quickstart_folder, quickstart_arguments):
    with pytest.raises(InputError, match="quickstart with the same settings. .*'train_steps'"):
        quickstart(*quickstart_arguments, "--train_steps", "5")


def test_invalid_input_leaves_no_folder(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError, match="at least one file. Received 'none/"):
        quickstart("--input", "none/*.txt", "--output_dir", str(out))
    assert not out.exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("x")
    with pytest.raises(InputError, match="--output_dir must be new or empty"):
        quickstart("--output_dir", str(tmp_path / "mine"))


def test_text_of_single_sentences_is_refused(tmp_path):
    (tmp_path / "t.txt").write_text("\n\n".join(f"Sentence number {i}." for i in range(50)))
    with pytest.raises(InputError, match="documents of at least two sentences"):
        corpus.write(str(tmp_path / "t.txt"), tmp_path / "a", tmp_path / "b")
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_paragraphs_are_split_into_sentences(tmp_path):
    documents = [f"Item {i} opens the box. It then closes the box {i} times." for i in range(90)]
    (tmp_path / "t.txt").write_text("\n\n".join(documents))
    corpus.write(str(tmp_path / "t.txt"), tmp_path / "a", tmp_path / "b")
    lines = (tmp_path / "a").read_text().splitlines()
    assert lines[0].endswith("opens the box.") and lines[1].startswith("It then")
    assert lines[2] == "" and np.unique([line == "" for line in lines[2::3]]).tolist() == [True]
