import json

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.encoded_examples import Outputs
from albert_tf.tasks.question_answering.joint_task import JointQuestionAnsweringTask
from albert_tf.tasks.question_answering.task import QuestionAnsweringTask
from tests.support import squad_file, tiny_task


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squad")
    return {
        name: squad_file.write(folder / f"{name}.json", count, seed, impossible)
        for name, count, seed, impossible in (
            ("train1", 150, 1, 0.0),
            ("dev1", 30, 2, 0.0),
            ("train2", 250, 3, 0.4),
            ("dev2", 40, 4, 0.4),
        )
    }


SETTINGS = dict(seq_length=24, doc_stride=6, max_query_length=8)


@pytest.fixture(scope="module")
def learned(files):
    """Both tasks with their metrics after training with three seeds, by version of SQuAD."""
    tasks = {}
    for cls, version, steps in (
        (QuestionAnsweringTask, 1, 350),
        (JointQuestionAnsweringTask, 2, 400),
    ):
        task = tiny_task.task(cls, files[f"train{version}"], files[f"dev{version}"], **SETTINGS)
        tasks[version] = task, tiny_task.metrics_of_seeds(task, steps)
    return tasks


@pytest.mark.parametrize("version", [1, 2])
def test_a_tiny_model_learns_answers_with_every_seed(learned, version):
    task, metrics = learned[version]
    examples = task.examples(task.task_config.validation_data)
    assert len(examples) > 1.2 * metrics[0]["total"]  # Some questions have several windows.
    assert min(m["f1"] for m in metrics) > 90
    if version == 2:
        assert min(m["HasAns_f1"] for m in metrics) > 80
        assert min(m["NoAns_f1"] for m in metrics) > 80
        assert all(m["f1"] == pytest.approx(m["best_f1"]) for m in metrics)
    else:
        assert set(metrics[0]) == {"total", "exact", "f1", "distinct_answers"}


@pytest.mark.parametrize("version", [1, 2])
def test_results_are_written_in_the_official_format(learned, files, tmp_path, version):
    task, _ = learned[version]
    names = {path.name for path in task.write_results(tmp_path)}
    texts = json.loads((tmp_path / "predictions.json").read_text())
    best = json.loads((tmp_path / "nbest_predictions.json").read_text())
    (paragraphs,) = (
        a["paragraphs"] for a in json.loads(files[f"dev{version}"].read_text())["data"]
    )
    questions = {qa["id"]: (p["context"], qa) for p in paragraphs for qa in p["qas"]}
    assert set(texts) == set(best) == set(questions)
    right = 0
    for name, (context, question) in questions.items():
        answers = [answer["text"] for answer in question["answers"]] or [""]
        right += texts[name] in answers
        for span in best[name]:
            assert context[span["begin"] : span["end"]].strip() == span["text"]
        assert sum(span["probability"] for span in best[name]) == pytest.approx(1.0)
    # Answers are substrings of the original text, with their case and accents.
    metrics = task.results.best.metrics
    assert 100 * right / len(texts) == pytest.approx(metrics["exact"])
    assert {"metrics.json", "precision_coverage.png", "predictions.json"} <= names
    report = task.report({})
    assert "who" in report and "when" in report and f"{metrics['f1']:.4f}" in report
    if version == 2:
        odds = json.loads((tmp_path / "null_odds.json").read_text())
        threshold = metrics["best_f1_thresh"]
        assert {name for name, text in texts.items() if not text} == {
            name for name, value in odds.items() if value > threshold
        }
        kept = TaskDescription.from_json_file(tmp_path / "task.json").settings
        assert kept["seq_length"] == 24
        # The saved threshold exceeds the best one by more than rounding and is below higher odds.
        above = min(value for value in odds.values() if value > threshold)
        assert threshold + 1e-6 < kept["null_threshold"] < min(above, threshold + 2e-3)


@pytest.mark.parametrize("cls", [QuestionAnsweringTask, JointQuestionAnsweringTask])
def test_losses_equal_their_formulas(files, cls):
    task = tiny_task.task(cls, files["train2"], files["dev2"], batch_size=11, **SETTINGS)
    model, batch, whole = tiny_task.assert_parts_sum_up(task)
    outputs = {name: value.numpy() for name, value in model(batch).items()}
    real = batch["input_mask"].numpy() == 1
    wanted = []
    for row in range(11):
        losses = []
        for side in ("start", "end"):
            if cls is QuestionAnsweringTask:
                logits = outputs[f"{side}_logits"][row][real[row]]
                log_probs = logits - np.log(np.exp(logits).sum())
            else:
                log_probs = outputs[f"{side}_log_probs"][row]
            losses.append(-log_probs[batch[f"{side}_positions"][row]])
        if cls is JointQuestionAnsweringTask:
            sign = 1.0 if batch["impossible"][row] else -1.0
            losses.append(np.log1p(np.exp(-sign * outputs["impossible_logits"][row])))
        wanted.append(0.5 * sum(losses))
    assert whole == pytest.approx(np.mean(wanted), rel=1e-5)


def test_padding_does_not_change_the_loss(files):
    task = tiny_task.task(QuestionAnsweringTask, files["train1"], **SETTINGS)
    model = task.build_model()
    examples = task.examples(task.task_config.train_data)
    losses = [
        task.build_losses(batch, model(batch))
        for batch in (examples.batch(np.arange(6), width) for width in (24, 40))
    ]
    assert float(losses[0]) == pytest.approx(float(losses[1]), rel=1e-5)


def test_questions_without_labels_are_answered(learned, tmp_path):
    task, _ = learned[2]
    rows = [
        {"id": "a", "question": "Who has the file", "context": "the list with Pythön from this"},
        {"question": "Who has the file", "context": "\u0301 \u0301"},
        {"question": " ", "context": "the list with Pythön from this"},
    ]
    path = tmp_path / "ask.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    params = task.task_config.validation_data.replace(input_path=str(path))
    examples = task.read(params, labelled=False)
    assert "start_positions" not in examples.labels
    batch = {n: tf.constant(v) for n, v in examples.batch(np.arange(3)).items()}
    model = task.build_model()
    task.task_config.null_threshold = 1e9
    outputs = Outputs.gather([{**task.kept(model(batch)), "example": batch["example"]}])
    first, second, third = task.answers(examples, outputs)
    assert (first["id"], second["id"], third["id"]) == ("a", "2", "3")
    assert first["answer"] == first["n_best"][0]["text"] and first["answer"] in rows[0]["context"]
    # Normalisation removes the whole context.
    assert (second["answer"], second["n_best"]) == ("", [])
    assert (third["answer"], third["n_best"]) == ("", [])
    assert str(examples.report) == (
        "2 question(s) answered with no text because the question or the context is blank: "
        f"'{path}' line 2, '{path}' line 3"
    )
    official = json.loads(task.answer_file(".json").text([first, second]))
    assert official == {"a": first["answer"], "2": ""}
    task.task_config.null_threshold = first["null_odds"] - 0.1
    assert next(task.answers(examples, outputs))["answer"] == ""


def test_skipped_questions_are_reported(tmp_path, capsys):
    path = squad_file.write(tmp_path / "train.json", 4, 1)
    document = json.loads(path.read_text())
    answer = document["data"][0]["paragraphs"][2]["qas"][0]["answers"][0]
    answer["answer_start"] += 1
    path.write_text(json.dumps(document))
    with pytest.raises(
        InputError, match=r"train.json' question '2Who': the answer .* set skip_inv"
    ):
        tiny_task.task(QuestionAnsweringTask, path, **SETTINGS)
    tiny_task.task(QuestionAnsweringTask, path, skip_invalid=True, **SETTINGS)
    text = capsys.readouterr().err
    assert "train.json: 7 questions in " in text
    assert (
        f"1 question(s) left out: the answer is not at its answer_start: '{path}' question" in text
    )


def test_evaluation_data_must_have_answers(files, tmp_path):
    document = json.loads(files["dev1"].read_text())
    del document["data"][0]["paragraphs"][5]["qas"][1]["answers"]
    del document["data"][0]["paragraphs"][5]["qas"][1]["is_impossible"]
    path = tmp_path / "dev.json"
    path.write_text(json.dumps(document))
    with pytest.raises(
        InputError, match=r"must have answers.*dev.json' question '5When'. Use `alb"
    ):
        tiny_task.task(QuestionAnsweringTask, files["train1"], path, **SETTINGS)


@pytest.mark.parametrize("name", ["n_best", "max_answer_length", "start_n_top", "end_n_top"])
def test_counts_are_checked(files, name):
    with pytest.raises(
        InputError, match=f"{name} must be at least 1. Received 0. Set {name.upper()}"
    ):
        tiny_task.task(JointQuestionAnsweringTask, files["train1"], **SETTINGS, **{name: 0})
