"""`EVAL_FRACTION` holds out rows: as many of each class, no text in both parts, always the same."""

import json
import math
import random
from collections import Counter

import pytest

from albert_tf.errors import InputError
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tasks.multiple_choice.task import MultipleChoiceTask
from albert_tf.tasks.question_answering.task import QuestionAnsweringTask
from albert_tf.tasks.tagging.task import TaggingTask
from albert_tf.tasks.task_files import held_out
from albert_tf.training import epochs
from tests.support import choice_file, conll_file, squad_file, tiny_run, tiny_task
from tests.support.commands import call, status


@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5, 0.9])
def test_each_stratum_gives_about_the_same_fraction(fraction):
    strata = {f"text {i}": "ab"[i % 10 < 3] + "c" * (i % 7 == 0) for i in range(500)}
    chosen = held_out(strata, fraction)
    assert len(chosen) == round(fraction * 500)
    sizes, of_chosen = Counter(strata.values()), Counter(strata[key] for key in chosen)
    assert all(abs(of_chosen[name] - fraction * size) <= 1.5 for name, size in sizes.items())


def test_the_choice_depends_on_the_keys_only():
    strata = {i: i % 3 for i in range(90)}
    keys = list(strata)
    random.Random(1).shuffle(keys)
    assert held_out({key: strata[key] for key in keys}, 0.3) == held_out(strata, 0.3)
    more = {**strata, **{i: i % 3 for i in range(90, 99)}}
    assert len(held_out(more, 0.3) & held_out(strata, 0.3)) > 20  # Few change if rows are added.


def test_a_stratum_keeps_a_key():
    chosen = held_out({"a1": "a", "b1": "b", "b2": "b", "c1": "c"}, 0.9)
    assert len(chosen) == 1 and chosen < {"b1", "b2"}
    with pytest.raises(InputError, match="several texts each. Received 2 texts in 2 groups"):
        held_out({"a1": "a", "b1": "b"}, 0.5)


def parts(cls, path, fraction, **config):
    """Returns the rows to train on and those that are held out, as many as there are examples."""
    task = tiny_task.task(cls, path, "", eval_fraction=fraction, **config)
    result = []
    for params in (task.task_config.train_data, task.task_config.validation_data):
        rows = task.part(list(task.rows(params, True, task.new_report(True))), params)
        examples = task.examples(params)
        assert examples.report.part == len(rows) and len(examples) >= len(rows)
        result.append(rows)
    return result


def test_texts_that_repeat_are_in_one_part(tmp_path):
    rows = [{"text": f"text {i % 60}", "label": "no" if i % 4 else "yes"} for i in range(120)]
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    train, held = parts(ClassificationTask, path, 0.25)
    assert len(train) + len(held) == 120 and len(held) == 30
    assert not {row.texts for row in train} & {row.texts for row in held}
    labels = Counter(row.label for row in held)
    assert abs(labels["yes"] - 7.5) <= 3


def test_numbers_and_label_sets_need_no_strata(tmp_path):
    for name, labels, config in (
        ("numbers", [i + 0.5 for i in range(40)], {}),
        ("sets", [f"a;{'bcdefgh'[i % 7]}" for i in range(40)], {"label_separator": ";"}),
    ):
        path = tmp_path / f"{name}.jsonl"
        rows = ({"text": f"text {i}", "label": label} for i, label in enumerate(labels))
        path.write_text("\n".join(map(json.dumps, rows)))
        train, held = parts(ClassificationTask, path, 0.3, **config)
        assert (len(train), len(held)) == (28, 12)


def test_questions_about_a_context_are_in_one_part(tmp_path):
    path = squad_file.write(tmp_path / "t.json", 20, 4, impossible=0.2)
    values = json.loads(path.read_text())
    values["data"][0]["paragraphs"][0]["qas"][0].update(
        answers=[{"text": "elsewhere", "answer_start": 1}], is_impossible=False
    )
    path.write_text(json.dumps(values))
    config = dict(max_query_length=8, doc_stride=4, skip_invalid=True)
    train, held = parts(QuestionAnsweringTask, path, 0.25, **config)
    contexts = [{question.context for question in part} for part in (train, held)]
    assert not contexts[0] & contexts[1] and len(contexts[1]) == 5
    # Only training leaves out the question whose answer is not at its place.
    assert len(train) + len(held) in (39, 40) and len(held) == 10


def test_sentences_and_passages_are_in_one_part(tmp_path):
    train, held = parts(TaggingTask, conll_file.write(tmp_path / "t.txt", 40, 3), 0.1)
    words = [{sentence.words for sentence in part} for part in (train, held)]
    assert not words[0] & words[1] and len(words[1]) == 4
    race = choice_file.race(tmp_path / "race", 12, 3)
    train, held = parts(MultipleChoiceTask, race, 0.25, max_qa_length=20)
    passages = [{item.passage for item in part} for part in (train, held)]
    assert not passages[0] & passages[1] and len(held) >= 2 * len(passages[1]) > 0


def test_glue_holds_out_rows_of_its_training_file(tmp_path):
    for name, word in (("train", "file"), ("dev", "list")):
        rows = "".join(f"the {word} {i}\t{i % 2}\n" for i in range(20))
        (tmp_path / f"{name}.tsv").write_text(f"sentence\tlabel\n{rows}")
    train, held = parts(ClassificationTask, tmp_path, 0.5, glue="sst2")
    assert {row.group for row in (*train, *held)} == {"train"} and len(train) == len(held) == 10


def test_a_run_evaluates_on_the_rows_that_it_holds_out(tmp_path, capsys):
    rows = [{"text": f"word {i}", "label": "ab"[i % 2]} for i in range(50)]
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    command = ["train", "--gin_file", "finetune_table", "--mode", "train_and_eval"]
    command += ["--model_dir", tmp_path / "run", f"--gin.TRAIN_DATA={path}"]
    command += [f"--gin.VOCAB={tiny_run.SMALL['VOCAB']}", "--gin.FROM_SCRATCH=True"]
    command += [f"--gin.ModelConfig.{name}={value}" for name, value in tiny_task.MODEL.items()]
    command += [
        "--gin.EPOCHS=1",
        "--gin.EVALUATIONS=1",
        "--gin.BATCH_SIZE=8",
        "--gin.SEQ_LENGTH=16",
    ]
    call(*command, "--gin.EVAL_FRACTION=0.2")
    output = capsys.readouterr()
    assert "40 of 50 row(s) used, by EVAL_FRACTION" in output.err
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["data"]["train"]["part"] == 40 and metrics["data"]["eval"]["part"] == 10
    assert metrics["best"]["accuracy"] * 10 == pytest.approx(
        round(metrics["best"]["accuracy"] * 10)
    )
    assert metrics["best"]["step"] == math.ceil(40 / 8)

    assert status(*command, "--gin.EVAL_FRACTION=0.2", f"--gin.EVAL_DATA={path}x") == 2
    assert "without EVAL_DATA. Received EVAL_FRACTION=0.2 and EVAL_DATA=" in capsys.readouterr().err
    assert status(*command, "--gin.EVAL_FRACTION=1.5") == 2
    assert "must be at least 0 and less than 1" in capsys.readouterr().err


def test_epochs_count_the_rows_that_are_left(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,label\n" + "".join(f"text {i},{i % 2}\n" for i in range(50)))
    assert epochs.steps(str(path), 8, 3.0) == 21  # 7 steps
    assert epochs.steps(str(path), 8, 3.0, eval_fraction=0.2) == 15  # 40 rows, 5 steps
