"""A whole run on the files of MNLI by the command line: train, evaluate, answer the test files."""

import json

import glue_file
import pytest
import tiny_task

from albert_tf.cli import main

GIN = {
    **{f"model_config.ModelConfig.{name}": value for name, value in tiny_task.MODEL.items()},
    **dict(FROM_SCRATCH=True, VOCAB=tiny_task.VOCAB, SEQ_LENGTH=16, BATCH_SIZE=4),
    **dict(TRAIN_STEPS=4, WARMUP_STEPS=1, EVAL_INTERVAL=2, SUMMARY_INTERVAL=2),
}


def test_both_dev_sets_are_scored_and_the_diagnostic_set_is_answered(tmp_path):
    def command(*words):
        args = main.parse(["albert-tf", *map(str, words)])
        args.run(args)

    labels = glue_file.write(tmp_path, "mnli")
    gin = [f"--gin.{name}={value}" for name, value in {**GIN, "DATA": tmp_path}.items()]
    run = tmp_path / "run"
    command("train", "--gin_file", "finetune_mnli", "--mode", "train_and_eval",
            "--model_dir", run, *gin)  # fmt: skip
    best = json.loads((run / "metrics.json").read_text())["best"]
    sets = [best[f"accuracy_dev_{name}"] for name in ("matched", "mismatched")]
    assert best["accuracy"] == pytest.approx(sum(sets) / 2)
    _, head, row = glue_file.ROWS["mnli"]
    (tmp_path / "diagnostic.tsv").write_text(f"{head}\n{row}\n1\ta list\tfrom here\n")
    command("predict", "--model_dir", run, "--input", tmp_path / "diagnostic.tsv",
            "--output", tmp_path / "AX.tsv")  # fmt: skip
    names, *answers = (line.split("\t") for line in (tmp_path / "AX.tsv").read_text().splitlines())
    assert names == ["index", "prediction"] and [index for index, _ in answers] == ["0", "1"]
    assert {label for _, label in answers} <= set(labels)
