"""A whole run on SQuAD's files by the command line: train, evaluate, go on, predict."""

import json

import pytest
import squad_file
import tiny_task

from albert_tf.cli import main

GIN = {
    **{f"model_config.ModelConfig.{name}": value for name, value in tiny_task.MODEL.items()},
    **dict(FROM_SCRATCH=True, VOCAB=tiny_task.VOCAB, SEQ_LENGTH=24, DOC_STRIDE=6),
    **dict(MAX_QUERY_LENGTH=8, BATCH_SIZE=8, TRAIN_STEPS=6, WARMUP_STEPS=1, LEARNING_RATE=0.01),
    **dict(EVAL_INTERVAL=3, SUMMARY_INTERVAL=3, NULL_THRESHOLD=None),
}


def command(*words):
    parsed = main.parse(["albert-tf", *map(str, words)])
    parsed.run(parsed)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run, and its arguments."""
    root = tmp_path_factory.mktemp("squad_run")
    files = {
        "TRAIN_DATA": squad_file.write(root / "train.json", 40, 1, impossible=0.4),
        "EVAL_DATA": squad_file.write(root / "dev.json", 10, 2, impossible=0.4),
    }
    gin = [f"--gin.{name}={value}" for name, value in {**GIN, **files}.items()]
    arguments = ["--gin_file", "finetune_squad2", "--model_dir", root / "run", *gin]
    command("train", "--mode", "train_and_eval", *arguments)
    return root, arguments


def test_predictions_of_the_best_checkpoint_are_those_of_the_evaluation(run, answers_of_stdin):
    root, _ = run
    command(
        "predict",
        "--model_dir",
        root / "run",
        "--input",
        root / "dev.json",
        "--output",
        root / "again.json",
    )
    written = json.loads((root / "run/predictions.json").read_text())
    assert len(written) == 20 and json.loads((root / "again.json").read_text()) == written
    answers = answers_of_stdin(root / "run", (root / "dev.json").read_text())
    assert {answer["id"]: answer["answer"] for answer in answers} == written
    task = json.loads((root / "run/best/task.json").read_text())
    metrics = json.loads((root / "run/metrics.json").read_text())
    assert task["settings"]["null_threshold"] == metrics["best"]["best_f1_thresh"]


def test_an_evaluation_of_the_run_gives_its_last_metrics(run, capsys):
    root, arguments = run
    tasks = [root / "run/task.json", root / "run/best/task.json"]
    before = [path.read_text() for path in tasks]
    last = json.loads((root / "run/metrics.json").read_text())["history"][-1]
    command("train", "--mode", "eval", *arguments)
    assert "goes on with" in capsys.readouterr().out
    again = json.loads((root / "run/metrics.json").read_text())["history"][-1]
    for name in ("exact", "f1", "best_f1_thresh", "NoAns_f1"):
        assert again[name] == pytest.approx(last[name], abs=1e-4), name
    # The threshold is that of the best checkpoint still, which need not be the last one.
    assert [path.read_text() for path in tasks] == before
