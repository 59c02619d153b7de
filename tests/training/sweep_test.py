"""`--sweep`: each combination runs once, failures and stops lose nothing, and the best is named."""

import json

import pytest
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.training import sweep
from albert_tf.training.sweep import Score
from tests.support import tiny_run
from tests.support.commands import call, status


def test_values_are_separated_by_commas_outside_of_brackets_and_quotes():
    assert sweep.parse(["LR=1e-4, 3e-4", 'LABELS=["a,b","c"],(d,e)', "TEXT='x,y',z"]) == [
        {"LR": rate, "LABELS": labels, "TEXT": text}
        for rate in ("1e-4", "3e-4")
        for labels in ('["a,b","c"]', "(d,e)")
        for text in ("'x,y'", "z")
    ]


@pytest.mark.parametrize("texts", [[""], ["LR"], ["LR="], ["=1,2"], ["A=1,1"], ["A=1", "A=2"]])
def test_other_forms_are_errors(texts):
    with pytest.raises(InputError, match=r"must be MACRO=VALUE,VALUE,\.\.\. with different values"):
        sweep.parse(texts)


def test_folders_must_differ():
    with pytest.raises(
        InputError, match="must differ in letters or digits.* Received DATA=a/b,a_b"
    ):
        sweep.parse(["DATA=a/b,a_b"])
    assert sweep.folder_name({"DATA": "x/y z.csv", "RATE": "1e-4"}) == "DATA_x_y_z.csv_RATE_1e-4"


def scores(values, metric="f1", calls=None):
    """Returns a run function whose scores are given by rate; None is a training that fails."""

    def run(setting, folder):
        if calls is not None:
            calls.append(setting["RATE"])
        folder.mkdir()
        value = values[setting["RATE"]]
        if value is None:
            raise InputError("The loss must be finite.")
        return Score(metric, value, value - 0.25, value + 0.5, f"seed_{len(setting)}")

    return run


def test_each_setting_runs_once_and_the_best_is_named(tmp_path):
    values, calls = {"1e-4": 0.5, "1e-2": None, "1e-3": 0.75}, []
    settings = sweep.parse(["RATE=1e-4,1e-2,1e-3", "SIZE=8"])
    run = scores(values, calls=calls)
    sweep.run_all(settings[:1], tmp_path, run)
    summary = sweep.run_all(settings, tmp_path, run)
    assert calls == ["1e-4", "1e-2", "1e-3"]  # also the one that failed
    assert summary == json.loads((tmp_path / "sweep.json").read_text())
    assert summary["best"] == {"RATE": "1e-3", "SIZE": "8"}
    assert summary["best_run"] == "RATE_1e-3_SIZE_8/seed_2"
    assert summary["runs"][1]["error"] == "The loss must be finite."
    lines = sweep.text(summary, tmp_path).splitlines()
    assert [line.split() for line in lines[1:5]] == [
        ["RATE", "SIZE", "score", "least", "most"],
        ["1e-4", "8", "0.5000", "0.2500", "1.0000"],
        ["1e-2", "8", "failed"],
        ["1e-3", "8", "0.7500", "0.5000", "1.2500"],
    ]
    assert lines[5] == f"best: RATE=1e-3, SIZE=8, in {tmp_path}/RATE_1e-3_SIZE_8/seed_2"
    assert len(lines) == 6  # 1e-3 is no end of the range, as 1e-2 was tried
    assert (tmp_path / "sweep.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("metric", "values", "best", "remark"),
    [
        ("accuracy", (0.1, 0.2, 0.3), "0.3", "RATE=0.3 is the largest that was tried: try higher"),
        ("accuracy", (0.3, 0.2, 0.1), "0.1", "RATE=0.1 is the least that was tried: try lower"),
        ("validation_loss", (0.3, 0.1, 0.2), "0.2", ""),
        ("mean_squared_error", (0.3, 0.2, 0.1), "0.3", "RATE=0.3 is the largest"),
    ],
)
def test_smaller_losses_are_better_and_ends_of_the_range_are_said(
    tmp_path, metric, values, best, remark
):
    rates = ("0.1", "0.2", "0.3")
    run = scores(dict(zip(rates, values)), metric)
    summary = sweep.run_all(sweep.parse([f"RATE={','.join(rates)}"]), tmp_path, run)
    assert summary["best"] == {"RATE": best}
    assert summary["remark"].startswith(remark) and bool(summary["remark"]) == bool(remark)


def test_the_best_seed_by_a_loss_has_the_smallest():
    assert sweep.summarize_seeds("mlm_loss", {"1": 2.0, "2": 1.5, "3": 4.0})["best_run"] == "seed_2"


def test_an_error_before_anything_ran_stops_the_sweep(tmp_path):
    def run(setting, folder):
        raise InputError("No such file.")

    with pytest.raises(InputError, match="No such file."):
        sweep.run_all([{"RATE": "1"}], tmp_path, run)
    assert not list(tmp_path.iterdir())


def test_the_command_compares_rates_and_seeds(tmp_path, capsys):
    command = tiny_run.command(tmp_path / "runs")
    flags = ("--sweep", "LEARNING_RATE=1e-5,1e-2", "--seeds", "4,5")
    call(*command, *flags)
    summary = json.loads((tmp_path / "runs/sweep.json").read_text())
    assert summary["metric"] == "mlm_loss" and summary["best"] == {"LEARNING_RATE": "1e-2"}
    for run in summary["runs"]:
        losses = [
            json.loads((tmp_path / "runs" / run["folder"] / f"seed_{n}/best/info.json").read_text())
            for n in (4, 5)
        ]
        losses = sorted(loss["mlm_loss"] for loss in losses)
        assert [run["least"], run["most"]] == losses
        assert run["value"] == pytest.approx(sum(losses) / 2)
    best = tmp_path / "runs" / summary["best_run"]
    assert tf.train.latest_checkpoint(best) == str(best / "ckpt-4")
    assert f"in {best}" in capsys.readouterr().out.splitlines()[-1]

    call(*command, *flags)
    assert capsys.readouterr().out.count("already finished") == 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--sweep", "LEARNING_RAT=1,2"), "Received 'LEARNING_RAT'. Closest: LEARNING_RATE"),
        (("--sweep", "LEARNING_RATE=1e-3,fast"), "LEARNING_RATE must be a number. Received"),
        (("--sweep", "LEARNING_RATE=1", "--dry_run"), "--sweep needs --mode train_and_eval"),
        (("--sweep", "LEARNING_RATE=1", "--seeds", "1,1"), "--seeds must be different whole"),
    ],
)
def test_what_cannot_run_is_an_error_before_the_first_run(tmp_path, capsys, flags, message):
    assert status(*tiny_run.command(tmp_path / "runs"), *flags) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
