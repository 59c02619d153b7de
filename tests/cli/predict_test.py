"""Fine-tuning and prediction on the command line: seeds, best checkpoint, reports, predictions."""

import json
import random

import pytest

from albert_tf.errors import InputError
from tests.support import tiny_task
from tests.support.commands import call

WORDS = ["the", "with", "from", "see", "this", "one"]
CLASSES = {"io": "file", "code": "object"}


def table(path, count):
    rng = random.Random(count)
    lines = ["text,label"]
    for index in range(count):
        label = list(CLASSES)[index % 2]
        words = [*rng.choices(WORDS, k=rng.randint(1, 5)), CLASSES[label]]
        lines.append(f"{' '.join(words)},{label}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("command")
    macros = dict(
        FROM_SCRATCH=True,
        VOCAB=tiny_task.VOCAB,
        TRAIN_DATA=table(root / "train.csv", 48),
        EVAL_DATA=table(root / "dev.csv", 11),
        SEQ_LENGTH=16,
        BATCH_SIZE=8,
        LEARNING_RATE=3e-3,
        EPOCHS=2,
        EVALUATIONS=3,
        PATIENCE=1,
        **{f"model_config.ModelConfig.{name}": v for name, v in tiny_task.MODEL.items()},
    )
    gin = [f"--gin.{name}={value}" for name, value in macros.items()]
    train = ("train", "--gin_file", "finetune_table", "--mode", "train_and_eval")
    command = [*train, "--model_dir", root / "runs", *gin]
    call(*command, "--seeds", "1,2")
    return root, command


def test_each_seed_gives_a_model_with_metrics_and_plots(trained):
    root, _ = trained
    summary = json.loads((root / "runs/seeds.json").read_text())
    assert summary["metric"] == "accuracy" and list(summary["scores"]) == ["1", "2"]
    for seed, score in summary["scores"].items():
        run = root / f"runs/seed_{seed}"
        metrics = json.loads((run / "metrics.json").read_text())
        assert metrics["best"]["accuracy"] == score
        steps = [line["step"] for line in metrics["history"]]
        assert steps in ([4, 8], [4, 8, 12])  # at most 12 steps; PATIENCE=1 may stop it earlier
        best = json.loads((run / "best/info.json").read_text())
        assert float(best["accuracy"]) == score
        assert {"task.json", "confusion.png"} <= {path.name for path in run.iterdir()}
        assert {"task.json", "albert_config.json", "spm.model"} <= {
            path.name for path in (run / "best").iterdir()
        }


def test_finished_seeds_are_not_run_again(trained, capsys):
    call(*trained[1], "--seeds", "2,1")
    out = capsys.readouterr().out
    assert "seed 1: already finished" in out and "weights:" not in out


def test_predictions_are_in_the_order_of_the_input(trained, tmp_path):
    root, _ = trained
    best = json.loads((root / "runs/seeds.json").read_text())
    run = root / "runs" / best["best_run"]
    for name in ("answers.jsonl", "answers.tsv"):
        predict = ("predict", "--model_dir", run, "--input", root / "dev.csv")
        call(*predict, "--output", tmp_path / name)
    answers = [json.loads(ln) for ln in (tmp_path / "answers.jsonl").read_text().splitlines()]
    labels = [line.split(",")[1] for line in (root / "dev.csv").read_text().splitlines()[1:]]
    hits = [answer["label"] == label for answer, label in zip(answers, labels, strict=True)]
    # The predictions are those of the best checkpoint, not of the last one.
    assert sum(hits) / len(hits) == pytest.approx(best["best"])
    tsv = (tmp_path / "answers.tsv").read_text().splitlines()
    assert tsv == ["index\tprediction", *(f"{i}\t{a['label']}" for i, a in enumerate(answers))]


def test_standard_input_can_be_lines_or_a_table(trained, answers_of_stdin):
    run = trained[0] / "runs/seed_1"
    answers = answers_of_stdin(run, "this object\nsee the file\n")
    assert len(answers) == 2 and all(set(a["probabilities"]) == set(CLASSES) for a in answers)
    table = "id,text\n7,this object\n8,see the file\n"
    assert answers_of_stdin(run, table, "--input_as", ".csv") == answers


def test_every_line_gets_an_answer(trained, answers_of_stdin, tmp_path):
    run = trained[0] / "runs/seed_1"
    lines = ["this object", "", "see the file", " \t ", "with"]
    answers = answers_of_stdin(run, "\n".join(lines))
    assert len(answers) == 5 and answers[1] == answers[3]
    path = tmp_path / "new[1],a.txt"
    path.write_text("\r\n".join([*lines, "", ""]))
    call("predict", "--model", run, "--input", path, "--output", tmp_path / "a.tsv")
    rows = [line.split("\t") for line in (tmp_path / "a.tsv").read_text().splitlines()[1:]]
    wanted = [answer["label"] for answer in [*answers, answers[1]]]
    assert rows == [[str(index), label] for index, label in enumerate(wanted)]


def test_a_run_says_which_rows_it_left_out(trained):
    values = json.loads((trained[0] / "runs/seed_1/metrics.json").read_text())["data"]
    assert (values["train"]["rows"], values["eval"]["rows"]) == (48, 11)
    assert values["train"]["kept"] == 48 and values["train"]["left_out"] == {}


def test_wrong_input_and_output_formats_are_errors(trained, tmp_path):
    root, command = trained
    run = root / "runs/seed_1"
    (tmp_path / "bad.csv").write_text("txt\nx\n")
    with pytest.raises(InputError, match="without 'text'. Closest: txt"):
        call("predict", "--model_dir", run, "--input", tmp_path / "bad.csv")
    with pytest.raises(InputError, match=r"as \.jsonl, \.csv, \.tsv or \.parquet\..*in '\.xml'"):
        predict = ("predict", "--model_dir", run, "--input", root / "dev.csv")
        call(*predict, "--output", tmp_path / "answers.xml")
    assert not (tmp_path / "answers.xml").exists()
    with pytest.raises(
        InputError, match="--seeds needs --mode train_and_eval.* Received --mode tr"
    ):
        call(*(w if w != "train_and_eval" else "train" for w in command), "--seeds", "1")
