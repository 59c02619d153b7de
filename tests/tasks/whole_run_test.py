"""Each task from the command line: train, evaluate, resume, predict, export, serve."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.task_types import TaskDescription
from tests.support import glue_file
from tests.support.commands import call
from tests.support.whole_runs import KINDS, Masks, Run, predicted


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Returns the run of a kind; each kind is trained once."""
    made = {}

    def run(name):
        if name not in made:
            made[name] = Run(KINDS[name], tmp_path_factory.mktemp(name))
        return made[name]

    return run


def assert_export_answers(kind, folder, path, answers, dest):
    """Checks that an export of the run gives the same answers as `albert-tf predict`."""
    call("export", "task", folder, dest, "--no_check")
    served = tf.saved_model.load(str(dest / "1")).signatures["serving_default"]
    outputs = served(**{name: tf.constant(texts) for name, texts in kind.asked(path).items()})
    for row, answer in enumerate(answers):
        for name, value in kind.outputs(answer).items():
            expected = np.array(value)
            received = outputs[name][row].numpy()
            if expected.ndim:  # The rest is padding.
                received = received[tuple(map(slice, expected.shape))]
            if expected.dtype.kind == "f":
                np.testing.assert_allclose(received, expected, atol=1e-5, err_msg=name)
            else:
                assert np.all(received == expected), (name, received, expected)


@pytest.mark.parametrize("name", KINDS)
def test_predictions_have_the_score_of_the_evaluation_and_equal_the_export(runs, name, tmp_path):
    run, kind = runs(name), KINDS[name]
    metrics = run.metrics
    steps = run.macros["TRAIN_STEPS"]
    assert [entry["step"] for entry in metrics["history"]] == [steps // 2, steps]
    answers = predicted(run.folder, run.labelled, tmp_path / "answers.jsonl")
    # Predictions come from the best checkpoint, not from the last one.
    assert kind.score(answers, run.labelled) == pytest.approx(
        metrics["best"][kind.metric], abs=1e-6
    )
    description = TaskDescription.from_json_file(run.folder / "best/task.json")
    assert description.settings["seq_length"] == 24
    assert_export_answers(kind, run.folder, run.labelled, answers, tmp_path / "served")


@pytest.mark.parametrize("name", ["multi_label", "windows", "few_shot", "entities"])
def test_a_run_that_lost_its_last_checkpoint_gets_the_same_weights(runs, name, tmp_path):
    run, folder = runs(name), tmp_path / "run"
    shutil.copytree(run.folder, folder)
    last = f"ckpt-{run.macros['TRAIN_STEPS']}"
    for path in folder.glob(f"{last}.*"):
        path.unlink()
    run.train("train_and_eval", folder)
    one, two = (tf.train.load_checkpoint(str(path / last)) for path in (run.folder, folder))
    names = set(one.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    names = {name for name in names if not name.startswith("save_counter/")}
    assert len(names) > 60
    for variable in names:
        np.testing.assert_array_equal(
            one.get_tensor(variable), two.get_tensor(variable), err_msg=variable
        )


def test_a_pretraining_run_fills_masks(quickstart_folder, answers_of_stdin, tmp_path):
    """The fill_mask task has no training of its own; the quickstart evaluates its pretraining."""
    lines = ["the [MASK] of [MASK] file", "This is a [MASK]."]
    path = tmp_path / "masked.txt"
    path.write_text("\n".join(lines) + "\n")
    folder = quickstart_folder / "run"
    answers = predicted(folder, path, tmp_path / "answers.jsonl")
    assert [len(answer["fillings"]) for answer in answers] == [2, 1]
    assert answers_of_stdin(folder, path.read_text()) == answers
    *_, best = answers_of_stdin(folder, path.read_text(), "--top_k", "2")
    assert best["fillings"] == [answers[1]["fillings"][0][:2]]
    assert_export_answers(Masks(""), folder, path, answers, tmp_path / "served")


@pytest.mark.parametrize("name", ["race", "squad1"])
def test_evaluating_a_run_gives_its_last_metrics(runs, name, capsys):
    run = runs(name)
    tasks = [run.folder / "task.json", run.folder / "best/task.json"]
    before, last = [path.read_text() for path in tasks], run.metrics["history"][-1]
    gin = run.folder / "config.gin"  # Includes all settings of the command line.
    call("train", "--mode", "eval", "--gin_file", gin, "--model_dir", run.folder)
    assert "resuming from" in capsys.readouterr().out
    assert run.metrics["history"][-1] == pytest.approx(last, abs=1e-4)
    # The settings of the best checkpoint are kept; the last one may have others.
    assert [path.read_text() for path in tasks] == before


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("squad1", '{"data": []}', "questions must not be empty. Received '.*bad.json'"),
        (
            "swag",
            "sent1,sent2,ending0,ending1,ending2,ending3,label\n",
            "0 examples in '.*bad.csv'",
        ),
        ("swag", "sent1,sent2,ending0,ending1,ending2,ending3,label\na,b\n", "line 2"),
        ("tagging", "-DOCSTART- O\n\n", "0 examples in '.*bad.txt'"),
        ("tagging", "see O\nBo B-PRE\n", "'B-PRE' at '.*bad.txt' line 2. Closest: B-PER"),
        ("race", "{}\n", "Received '.*bad.txt' line 1"),
    ],
)
def test_bad_evaluation_data_stops_a_run_before_it_writes(runs, name, text, message, tmp_path):
    bad = tmp_path / f"bad{KINDS[name].ENDING or '.txt'}"
    bad.write_text(text)
    with pytest.raises(InputError, match=message):
        runs(name).train("train_and_eval", tmp_path / "run", EVAL_DATA=bad)
    assert not (tmp_path / "run").exists()


def test_nan_weights_stop_the_run_and_leave_checkpoints_intact(runs, tmp_path):
    folder = shutil.copytree(runs("tagging").folder, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in folder.glob("ckpt-*")}
    message = (
        r"The training loss must stay finite and at most 1e\+06. Received .* with NaN or infinite "
        rf"gradients from step \d+ on. The last good checkpoint is {folder}/ckpt-6. Likely cause: "
        r"the learning rate, 2.5e\+29, is.*Lower LEARNING_RATE"
    )
    with pytest.raises(InputError, match=message):
        runs("tagging").train("train_and_eval", folder, TRAIN_STEPS=12, LEARNING_RATE=1e30)
    assert {path.name: path.read_bytes() for path in folder.glob("ckpt-*")} == before


def test_predictions_of_the_best_checkpoint_equal_those_of_the_evaluation(
    runs, answers_of_stdin, tmp_path
):
    run = runs("squad2")
    again = tmp_path / "again.json"
    call("predict", "--model_dir", run.folder, "--input", run.labelled, "--output", again)
    written = json.loads((run.folder / "predictions.json").read_text())
    assert len(written) == 20 and json.loads(again.read_text()) == written
    answers = answers_of_stdin(run.folder, run.labelled.read_text())
    assert {answer["id"]: answer["answer"] for answer in answers} == written
    task = json.loads((run.folder / "best/task.json").read_text())
    best = run.metrics["best"]["best_f1_thresh"]
    assert task["settings"]["null_threshold"] == pytest.approx(best, abs=2e-3)


def test_a_model_for_mnli_answers_the_diagnostic_set_of_glue(runs, tmp_path):
    run = runs("classification")
    _, head, row = glue_file.ROWS["mnli"]
    (tmp_path / "diagnostic.tsv").write_text(f"{head}\n{row}\n1\ta list\tfrom here\n")
    paths = ["--input", tmp_path / "diagnostic.tsv", "--output", tmp_path / "AX.tsv"]
    call("predict", "--model_dir", run.folder, *paths)
    names, *answers = (line.split("\t") for line in (tmp_path / "AX.tsv").read_text().splitlines())
    assert names == ["index", "prediction"] and [index for index, _ in answers] == ["0", "1"]
    labels = TaskDescription.from_json_file(run.folder / "task.json").labels
    assert len(labels) == 3 and {label for _, label in answers} <= set(labels)
