"""Training of embeddings from the command line: resume, embed, export, convert, check, compare."""

import json
import random
import shutil

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.embedding.model import AlbertEmbedder
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support.commands import call
from tests.support.whole_runs import Kind, Run


class Pairs(Kind):
    ENDING = ".csv"

    def write(self, path, count, seed):
        rng, words = random.Random(seed), ["file", "list", "line", "object", "string", "data"]
        rows = [rng.sample(words, 2) for _ in range(count)]
        lines = [f"the {a} of {b},{a} {b},{a} or not" for a, b in rows]
        path.write_text("\n".join(["text,second_text,negative", *lines]) + "\n")
        return path


MACROS = dict(DIMENSIONS="[32,8]", NEGATIVE="negative", POOLING="cls,mean", NORMALIZE=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    kind = Pairs("finetune_pairs", "mrr_at_10", DROPOUT=0.1, ACCUMULATION_STEPS=2, **MACROS)
    return Run(kind, tmp_path_factory.mktemp("pairs"))


def test_a_run_that_lost_its_last_checkpoint_gets_the_same_weights(run, tmp_path):
    folder = shutil.copytree(run.folder, tmp_path / "run")
    for path in folder.glob("ckpt-6.*"):
        path.unlink()
    run.train("train_and_eval", folder)
    one, two = (tf.train.load_checkpoint(str(path / "ckpt-6")) for path in (run.folder, folder))
    names = set(one.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    names = {name for name in names if not name.startswith("save_counter/")}
    assert len(names) > 50
    for variable in names:
        np.testing.assert_array_equal(
            one.get_tensor(variable), two.get_tensor(variable), err_msg=variable
        )
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["references"] == run.metrics["references"]
    assert list(metrics["references"]) == ["initial", "words"]


def test_a_run_that_is_killed_before_its_first_evaluation_keeps_the_metrics_of_its_start(
    run, tmp_path
):
    folder = tmp_path / "run"
    run.train("train", folder, TRAIN_STEPS=2)  # Has checkpoints and no evaluation.
    assert not (folder / "metrics.json").exists()
    run.train("train_and_eval", folder, TRAIN_STEPS=3)
    references = json.loads((folder / "metrics.json").read_text())["references"]
    assert references["initial"] == pytest.approx(run.metrics["references"]["initial"], abs=1e-6)
    other = run.kind.write(tmp_path / "other.csv", 9, 4)
    run.train("train_and_eval", folder, TRAIN_STEPS=4, EVAL_DATA=other)
    references = json.loads((folder / "metrics.json").read_text())["references"]
    assert list(references) == ["words"]  # Those of other examples are not shown.
    (folder / "initial.json").write_text('{"metrics": {"mrr_at_10": "high"}}')
    (folder / "metrics.json").unlink()
    with pytest.raises(InputError, match="must be numbers by name. Received .*initial.json' with"):
        run.train("train_and_eval", folder, TRAIN_STEPS=5)


def test_the_trained_model_embeds_and_is_exported_and_converted(run, tmp_path):
    description = TaskDescription.from_json_file(run.folder / "best/task.json")
    assert description.settings["pooling"] == ["cls", "mean"]
    assert description.settings["matryoshka"] == [32, 8]
    texts = ["the file of list", "a line", "data"]
    (tmp_path / "texts.csv").write_text("\n".join(["text", *texts]) + "\n")
    call("embed", "--model", run.folder, "--input", tmp_path / "texts.csv", "--output",
         tmp_path / "v.npy")  # fmt: skip
    vectors = np.load(tmp_path / "v.npy")
    model = AlbertEmbedder.from_pretrained(run.folder)
    tokenizer = AlbertTokenizer.from_pretrained(run.folder)
    expected = np.concatenate([model(tokenizer([text])).numpy() for text in texts])
    assert vectors.shape == (3, 64) and np.allclose(np.linalg.norm(vectors, axis=1), 1)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    call("export", "task", run.folder, tmp_path / "served", "--no_check")
    served = tf.saved_model.load(str(tmp_path / "served/1")).signatures["serving_default"]
    outputs = served(text=tf.constant(texts))["embedding"]
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    call("convert", run.folder, "--to", "hugging_face", tmp_path / "converted")
    again = AlbertEmbedder.from_pretrained(tmp_path / "converted")
    np.testing.assert_allclose(again(tokenizer(texts)), expected, atol=1e-5)


def test_predictions_have_the_score_of_the_evaluation(run):
    """The best checkpoint finds the positives of the held-out anchors as the evaluation says."""
    rows = [line.split(",") for line in run.labelled.read_text().splitlines()[1:]]
    model = AlbertEmbedder.from_pretrained(run.folder)
    tokenizer = AlbertTokenizer.from_pretrained(run.folder)
    anchors, positives = (sorted({row[column] for row in rows}) for column in (0, 1))
    vectors = [model(tokenizer(texts)).numpy() for texts in (anchors, positives)]
    right = {row[0]: row[1] for row in rows}
    ranks = [
        [positives[i] for i in np.argsort(-row, kind="stable")].index(right[anchor])
        for anchor, row in zip(anchors, vectors[0] @ vectors[1].T)
    ]
    best = run.metrics["best"]
    assert np.mean(np.array(ranks) == 0) == pytest.approx(best["recall_at_1"])
    assert np.mean([1 / (rank + 1) for rank in ranks]) == pytest.approx(best["mrr_at_10"])


def test_rates_are_compared_and_data_are_checked(run, tmp_path, capsys):
    macros = {**run.macros, "TRAIN_STEPS": 2, "EVAL_INTERVAL": 2, "SUMMARY_INTERVAL": 1}
    gin = [f"--gin.{name}={value}" for name, value in macros.items()]
    call("train", "--gin_file", "finetune_pairs", "--mode", "train_and_eval", "--model_dir",
         tmp_path / "sweep", "--sweep", "TEMPERATURE=0.05,1.0", *gin)  # fmt: skip
    summary = json.loads((tmp_path / "sweep/sweep.json").read_text())
    assert len(summary["runs"]) == 2 and "mrr_at_10" in json.dumps(summary)
    capsys.readouterr()
    names = ("TRAIN_DATA", "EVAL_DATA", "VOCAB", "NEGATIVE")
    gin = [f"--gin.{name}={run.macros[name]}" for name in names]
    call("data", "check", "--gin_file", "finetune_pairs", *gin)
    text = capsys.readouterr().out
    assert "  rows                  24\n  examples              24\n" in text
    assert "labels" not in text and "tokens" in text


def test_scores_are_checked(tmp_path, capsys):
    path = tmp_path / "scores.csv"
    path.write_text("text,second_text,label\na,b,1\nc,d,4.5\ne,,2\nf,g,9\n")
    call("data", "check", "--gin_file", "finetune_sts", f"--gin.TRAIN_DATA={path}")
    text = capsys.readouterr().out
    assert "numbers               least 1, mean 2.75, most 4.5" in text
    assert "left out: the text in column 'second_text' is empty: line 4" in text
    assert "left out: the score is not a number in SCORE_RANGE: line 5" in text
    assert "2 row(s) that are left out would stop the training" in text
