"""Rows of tables as examples, what is left out of them, and which of them are held out."""

import json
import re

import pytest

from albert_tf.data import tables
from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.tasks.embedding import data
from albert_tf.tasks.embedding.config import EmbeddingConfig, Layout
from albert_tf.tasks.embedding.task import EmbeddingTask
from albert_tf.tasks.task_files import held_out
from tests.support import tiny_task


def read(path, skip=False, is_training=True, **settings):
    """Returns the examples of a file and the report."""
    config, report = EmbeddingConfig(**settings), RowReport(skip_broken=skip)
    layout = Layout.of(config, is_training)
    rows = tables.read(path, layout.columns, report=report)
    return list(data.read(rows, layout, config, report)), report


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_pairs_may_have_hard_negatives(tmp_path):
    path = write(tmp_path / "a.csv", ["q,a,n", "one,two,three", "four,five,"])
    settings = dict(objective="pairs", text="q", second_text="a")
    examples, _ = read(path, **settings)
    assert [example.texts for example in examples] == [("one", "two"), ("four", "five")]
    examples, report = read(path, negative="n", **settings)
    assert [e.texts for e in examples] == [("one", "two", "three"), ("four", "five", "")]
    assert str(report).startswith("1 row(s) have no hard negative, only the other rows of")
    # All positives are ranked in an evaluation, and no negatives.
    assert read(path, is_training=False, negative="n", **settings)[0][0].texts == ("one", "two")


def test_scores_are_scaled(tmp_path):
    path = write(tmp_path / "a.csv", ["text,second_text,label", "a,b,1", "c,d,4.0", "e,f,2.5"])
    examples, _ = read(path, objective="scores", score_range=[1, 4])
    assert [example.target for example in examples] == [0.0, 1.0, 0.5]
    assert [example.score for example in examples] == ["1", "4.0", "2.5"]
    assert read(path, objective="scores")[0][1].target == 0.8


NLI = [
    ("a dog runs", "an animal moves", "entailment"),
    ("a dog runs", "a dog is outside", "entailment"),
    ("a dog runs", "a dog sleeps", "contradiction"),
    ("a dog runs", "a big dog runs", "neutral"),
    ("a man eats", "a man has food", "entailment"),
    ("a cat", "no cat", "contradiction"),
    ("a tree", "a plant", "entailment"),
    ("a tree", "a house", "contradiction"),
    ("a tree", "a car", "contradiction"),
    ("a tree", "a tall tree", "-"),
]


def test_premises_are_paired_with_entailments_and_contradictions(tmp_path):
    names = ("sentence1", "sentence2", "gold_label")
    path = write(tmp_path / "a.jsonl", [json.dumps(dict(zip(names, row))) for row in NLI])
    settings = dict(objective="nli", text=names[0], second_text=names[1], label=names[2])
    examples, report = read(path, **settings)
    assert [example.texts for example in examples] == [
        ("a dog runs", "an animal moves", "a dog sleeps"),
        ("a dog runs", "a dog is outside", "a dog sleeps"),
        ("a man eats", "a man has food", ""),
        ("a tree", "a plant", "a house"),
    ]
    assert re.sub(r" of '.*?'", "", str(report)).splitlines() == [
        "1 row(s) left out: the label 'neutral' makes no pair: line 4",
        "1 row(s) left out: the label '-' makes no pair: line 10",
        "1 row(s) left out: its premise has more contradictions than entailments: line 9",
        "1 row(s) left out: a contradiction whose premise has no entailment: line 6",
        "1 row(s) have no contradiction of their premise as a hard negative: line 5",
    ]
    other = dict(settings, entailment="neutral", contradiction="-")
    assert [example.texts[1:] for example in read(path, **other)[0]] == [("a big dog runs", "")]
    with pytest.raises(
        InputError, match="label '0'. Received no such row in column 'gold_label'. .*Set"
    ):
        read(path, **settings, entailment="0")


@pytest.mark.parametrize(
    ("line", "reason", "message"),
    [
        (",b,3", "the text in column 'text' is empty", "empty field in column 'text', line 3 of"),
        ("a,  ,3", "the text in column 'second_text' is empty", "column 'second_text', line 3 of"),
        ("a,b,nan", "the score is not a number in SCORE_RANGE", "Received 'nan' in column 'label'"),
        ("a,b,", "the score is not a number in SCORE_RANGE", "Received '' in column 'label', line"),
        ("a,b,5.1", "the score is not a number in SCORE_RANGE", "from 0 to 5, as SCORE_RANGE says"),
        ("a,b,-inf", "the score is not a number in SCORE_RANGE", "'-inf' in column 'label', line"),
        ("a,b", "it has not 3 fields", "Received 2 in line 3"),
    ],
)
def test_broken_rows_are_errors_or_left_out(line, reason, message, tmp_path):
    path = write(tmp_path / "a.csv", ["text,second_text,label", "x,y,1", line, "z,w,5"])
    with pytest.raises(InputError, match=message):
        read(path, objective="scores")
    examples, report = read(path, skip=True, objective="scores")
    assert [example.texts for example in examples] == [("x", "y"), ("z", "w")]
    assert list(report.left_out) == [reason] and report.kept == 2
    if "text" in reason:
        for objective in ("pairs", "nli"):
            with pytest.raises(InputError, match=message):
                read(path, objective=objective)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(objective="triples"), "OBJECTIVE must say what a row of the data is. Received 'trip"),
        (dict(objective=""), "OBJECTIVE must say .* Received ''"),
        (dict(objective="pairs", eval_objective="score"), "EVAL_OBJECTIVE .*Closest: scores"),
        (dict(objective="pairs", text="q"), "without 'q'"),
        (dict(objective="nli", label="gold_label"), "without 'gold_label'. Closest: label"),
        (dict(objective="scores", score_range=[5, 0]), r"SCORE_RANGE .*Received \[5, 0\]"),
        (dict(objective="scores", score_range=[0]), r"the highest score. Received \[0\]"),
        (dict(objective="scores", score_range="high"), "the highest score. Received 'high'"),
    ],
)
def test_wrong_settings_are_errors(settings, message, tmp_path):
    path = write(tmp_path / "a.csv", ["text,second_text,label", "x,y,1"])
    with pytest.raises(InputError, match=message):
        read(path, **settings)


def test_the_evaluation_may_have_columns_of_its_own(tmp_path):
    path = write(tmp_path / "a.csv", ["s1,s2,score", "x,y,3"])
    settings = dict(objective="texts", eval_objective="scores", eval_text="s1")
    examples, _ = read(
        path, is_training=False, eval_second_text="s2", eval_label="score", **settings
    )
    assert examples[0].texts == ("x", "y") and examples[0].target == 0.6


def test_no_text_is_on_both_sides_of_a_split(tmp_path):
    # Chains of rows that share a text, such as (n0 0, n0 1), (n0 1, n0 2), ...
    rows = [(f"n{i} {j}", f"n{i} {j + 1}") for i in range(40) for j in range(1 + i % 3)]
    rows += [(f"to all {i}", "everywhere") for i in range(30)]
    path = tmp_path / "a.jsonl"
    names = ("text", "second_text")
    parts = []
    for order in (rows, rows[::-1]):
        write(path, [json.dumps(dict(zip(names, row))) for row in order])
        task = tiny_task.task(EmbeddingTask, path, "", objective="pairs", eval_fraction=0.2)
        config = task.task_config
        parts.append(
            [
                {row.texts for row in task.examples(params).sources}
                for params in (config.train_data, config.validation_data)
            ]
        )
    train, held = parts[0]
    assert parts[1] == parts[0] and len(train) + len(held) == len(rows)
    assert not {t for row in train for t in row} & {t for row in held for t in row}
    # A fifth of 41 groups, of which the large one is not held out.
    assert len({row[0].split()[0] for row in held}) == 8
    assert not any("everywhere" in row for row in held)
    with pytest.raises(InputError, match="Received 1 texts in 1 groups"):
        examples = [data.Example("", ("a", "b")), data.Example("", ("b", "c"))]
        held_out(dict(data.groups(examples, 1)), 0.5)
