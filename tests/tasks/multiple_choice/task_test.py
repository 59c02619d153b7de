import json

import numpy as np
import pytest
import tensorflow as tf

import albert_tf
from albert_tf.errors import InputError
from albert_tf.tasks.encoded_examples import Outputs
from albert_tf.tasks.multiple_choice.task import MultipleChoiceTask
from tests.support import choice_file, tiny_task


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    root = tmp_path_factory.mktemp("RACE")
    task = tiny_task.task(
        MultipleChoiceTask,
        choice_file.race(root / "train", 100, 1),
        choice_file.race(root / "dev", 40, 2),
        batch_size=8,
        seq_length=24,
        max_qa_length=12,
    )
    model, metrics = tiny_task.learn(task, 60)
    (root / "model").mkdir()
    return task, metrics, tiny_task.save(task, model, root / "model")


def test_a_tiny_model_learns_answers_with_every_seed(learned):
    _, metrics, _ = learned
    assert min(m["accuracy"] for m in metrics) > 0.9


def test_a_tiny_model_learns_endings_with_every_seed(tmp_path):
    files = [choice_file.swag(tmp_path / f"{n}.csv", count, count) for n, count in
             (("train", 200), ("dev", 80))]  # fmt: skip
    task = tiny_task.task(MultipleChoiceTask, *files, batch_size=8, seq_length=24, max_qa_length=12)
    metrics = tiny_task.metrics_of_seeds(task, 60)
    assert min(m["accuracy"] for m in metrics) > 0.9, metrics


def test_accuracy_is_the_weighted_mean_of_groups(learned):
    task, *_ = learned
    examples, best = task.results.best.examples, task.results.best
    groups = [item.group for item in examples.sources]
    middle = groups.count("middle") / len(groups)
    metrics = best.metrics
    assert 0 < middle < 1 and "_accuracy" not in metrics
    whole = middle * metrics["middle_accuracy"] + (1 - middle) * metrics["high_accuracy"]
    assert whole == pytest.approx(metrics["accuracy"])


def test_results_have_a_report_and_a_plot(learned, tmp_path):
    task, *_ = learned
    names = {path.name for path in task.write_results(tmp_path)}
    assert names == {"metrics.json", "confusion.png"}
    assert "rows: the label; columns: the answer" in task.report({})


def test_a_saved_model_answers_questions(learned, tmp_path):
    folder = choice_file.race(tmp_path / "test", 12, 3)
    answers = {}
    for path in sorted(folder.rglob("*.txt")):
        passage = json.loads(path.read_text())
        answers |= {f"{passage['id']}/{i}": a for i, a in enumerate(passage.pop("answers"))}
        path.write_text(json.dumps(passage))
    predicted = {a["id"]: a["letter"] for a in albert_tf.Predictor(learned[2])(folder, 5)}
    assert predicted.keys() == answers.keys()
    assert sum(letter == answers[name] for name, letter in predicted.items()) > 0.9 * len(answers)


def test_a_passage_from_standard_input_is_answered(learned, answers_of_stdin):
    passage = dict(article="the file", questions=["What?"], options=[["list", "mouse", "file"]])
    (answer,) = answers_of_stdin(learned[2], json.dumps(passage))
    assert (answer["answer"], answer["letter"]) == ("What? mouse", "B")


SWAG = """video-id,sent1,sent2,ending0,ending1,ending2,ending3,label
v1,The mouse has a file.,It,reads the list.,"sees, then calls.",is one.,ends.,1
v2,"The ""object"" is one.",She,has one line.,returns.,,,0
"""


@pytest.fixture
def swag(tmp_path):
    path = tmp_path / "val.csv"
    path.write_text(SWAG)
    return path


def test_swag_files_with_fewer_choices_are_read_and_answered(swag):
    task = tiny_task.task(MultipleChoiceTask, swag, max_qa_length=20)
    examples = task.examples(task.task_config.train_data)
    first, second = examples.sources
    assert first.passage == "The mouse has a file." and first.label == 1
    assert first.choices[1] == "It sees, then calls."
    assert second.passage == 'The "object" is one.'
    assert second.choices == ("She has one line.", "She returns.")
    batch = {n: tf.constant(v) for n, v in examples.batch(np.arange(2)).items()}
    scores = np.array([[1.0, 2.0, 0.5, -1.0], [0.25, 1.5, 9.0, 9.0]], np.float32)
    wanted = [
        np.log(np.exp(scores[0]).sum()) - scores[0, 1],
        np.log(np.exp(scores[1, :2]).sum()) - scores[1, 0],
    ]
    np.testing.assert_allclose(task.losses(batch, tf.constant(scores)), wanted, rtol=1e-5)
    outputs = Outputs.gather([{"example": np.arange(2), "logits": scores}])
    one, two = task.answers(examples, outputs)
    assert (one["answer"], one["index"], one["letter"]) == ("It sees, then calls.", 1, "B")
    assert (two["answer"], len(two["probabilities"])) == ("She returns.", 2)
    assert task.evaluate(examples, outputs)["accuracy"] == 0.5


def test_losses_of_micro_batches_sum_to_the_batch_loss(learned):
    task, *_ = learned
    model, batch, whole = tiny_task.assert_parts_sum_up(task)
    logits, labels = model(batch).numpy(), batch["label"].numpy()
    assert logits.shape == (8, 4)
    wanted = np.log(np.exp(logits).sum(-1)) - logits[np.arange(8), labels]
    assert whole == pytest.approx(wanted.mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (("ends.,1", "ends.,B"), {}, r"counted from 0. Received 'B' in column 'label', line 2 of"),
        (("ends.,1", "ends.,4"), {}, r"one of the 4 choices.*Received the index 4 at line 2 of"),
        (("sent2", "sent3"), {}, r"columns .*without 'sent2'. Closest: sent3"),
        (("ends.,1", "ends.,"), {}, r"counted from 0. Received '' in column 'label', line 2 of"),
        (("ends.,1", "1"), {}, r"as many fields as the header, 8 .*Received 7 in line 2 of"),
        (('"sees, then calls."', " "), {}, r"one of the 3 choices with text.*index 1 at line 2"),
        (
            ("mouse", "caf\xe9"),
            {},
            r"must be UTF-8 text. Received '.*val.csv', whose line 2 is not",
        ),
        (
            (SWAG.partition("\n")[2], ""),
            {},
            r"must contain examples.*Received 0 .*in '.*val.csv'",
        ),
        (
            (),
            dict(num_choices=3),
            r"num_choices=3 choices with text. Received 4 at line 2 of .*val.csv",
        ),
        ((), dict(num_choices=9), r"num_choices must be in \[2, 8\]. Received 9"),
    ],
)
def test_an_error_for_a_bad_row_names_it(swag, change, settings, message):
    if change:
        swag.write_text(SWAG.replace(*change), encoding="latin-1")
    with pytest.raises(InputError, match=message):
        tiny_task.task(MultipleChoiceTask, swag, max_qa_length=20, **settings)


def test_items_to_predict_need_no_label(tmp_path, learned):
    path = tmp_path / "test.csv"
    path.write_text("\n".join(line.rsplit(",", 1)[0] for line in SWAG.splitlines()))
    task, *_ = learned
    params = task.task_config.validation_data.replace(input_path=str(path))
    assert "label" not in task.read(params, labelled=False).labels


def test_cut_choices_are_reported(swag, capsys):
    tiny_task.task(MultipleChoiceTask, swag, max_qa_length=6)
    assert "2 item(s) cut to max_qa_length: 0, 1" in capsys.readouterr().err


def test_empty_fields_and_lines_are_answered(learned, tmp_path):
    task, *_ = learned
    path = tmp_path / "test.jsonl"
    row = dict(sent1="", sent2="It", ending0="ends", ending1="", ending2="goes", ending3="")
    path.write_text(f"{json.dumps(row)}\n\n{json.dumps({**row, 'ending2': ' '})}\n")
    params = task.task_config.validation_data.replace(input_path=str(path))
    examples = task.read(params, labelled=False)
    assert examples.report.rows == len(examples) == 3
    scores = np.array([[1.0, 5.0, 2.0, 9.0]] * 3, np.float32)
    outputs = Outputs.gather([{"example": np.arange(3), "logits": scores}])
    first, second, third = task.answers(examples, outputs)
    assert (first["answer"], first["index"]) == ("It goes", 2)
    share = 1 / (1 + np.exp(-1.0))
    assert first["probabilities"] == pytest.approx([1 - share, 0, share])
    assert (second["answer"], second["index"], second["probabilities"]) == ("", 0, [1.0])
    assert (third["answer"], third["probabilities"]) == ("It ends", [1.0])


def test_broken_rows_can_be_left_out(swag):
    swag.write_text(SWAG.replace("ends.,1", "ends.,"))
    task = tiny_task.task(MultipleChoiceTask, swag, max_qa_length=20, skip_broken_rows=True)
    assert len(task.examples(task.task_config.train_data)) == 1
    assert task.results.data["train"]["left_out"] == {
        "the label is empty": {"count": 1, "first": [f"line 2 of '{swag}'"]}
    }
