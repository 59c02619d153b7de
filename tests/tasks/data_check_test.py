"""The check of labelled files, against counts by hand; every kind of task has one."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.support import choice_file, conll_file, glue_file, squad_file, tiny_task
from tests.support.commands import status

TOKENS = f"--gin.VOCAB={tiny_task.VOCAB}"
TRAIN = """id,text,label
1,a fine film,good
2,a bad film,bad
3,a bad film,good
3,x
4,,good
5,ok,

2,a bad film,bad
2,another one,bad
6,the whole object of the list,good
"""
DEV = "text,label\nanother one,bad\na fine film,bad\nnew,ugly\nnewer,ugly\n"


@pytest.fixture
def check(capsys):
    """A function that runs the command, and returns its status, output and last error."""

    def run(recipe, *flags, **macros):
        gin = [f"--gin.{name}={value}" for name, value in macros.items()]
        code = status("data", "check", "--gin_file", recipe, *gin, *flags)
        printed = capsys.readouterr()
        return code, printed.out, printed.err.strip().rpartition("\n")[2]

    return run


def write(path, text):
    Path(path).write_text(text)
    return path


def test_a_table_is_counted_and_its_rows_are_compared(tmp_path, check):
    train, dev = write(tmp_path / "train.csv", TRAIN), write(tmp_path / "dev.csv", DEV)
    code, out, _ = check("finetune_table", TRAIN_DATA=train, EVAL_DATA=dev)
    assert code == 0
    first, second, both = out.split("\n\n")
    at = f"of '{train}'"
    lines = [
        f"training: {train}",
        "  rows                  10",
        "  examples              6",
        f"  1 row(s) left out: it has not 3 fields: line 5 {at}",
        f"  1 row(s) left out: the label in column 'label' is empty: line 7 {at}",
        f"  1 row(s) left out: the line is blank: line 8 {at}",
        f"  1 row(s) left out: an earlier one has the same id and content: line 9 {at}",
        f"  1 row(s) have the id of an earlier one with other content: line 10 {at}",
        "  1 row(s) repeat the text of an earlier one with another label: "
        f"line 4 {at} ('good', but 'bad' at line 3 {at})",
        f"  1 row(s) have an empty text: line 6 {at}",
        "  2 row(s) that are left out would stop the training: correct them, or set "
        "SKIP_BROKEN_ROWS=True",
        "  labels                2 different, 6 in all",
        "    good                4         66.7%",
        "    bad                 2         33.3%",
        "  words                 half up to 3, 90% up to 6, 95% up to 6, 99% up to 6, longest 6",
    ]
    assert first.splitlines()[: len(lines)] == lines
    assert "tokens                unknown: set INIT_FROM or VOCAB" in first
    assert f"evaluation: {dev}\n  rows                  4\n  examples              4" in second
    assert both.splitlines() == [
        "evaluation and training",
        "  1 row(s) of evaluation have the text of one of training: "
        f"line 2 of '{dev}' (at line 10 {at})",
        "  1 row(s) of evaluation have the text of one of training with another label: "
        f"line 3 of '{dev}' (at line 2 {at})",
        "  2 row(s) of evaluation have the label 'ugly', unknown to training: "
        f"line 4 of '{dev}', line 5 of '{dev}'",
    ]


def test_settings_of_training_apply(tmp_path, check):
    train, dev = write(tmp_path / "train.csv", TRAIN), write(tmp_path / "dev.csv", DEV)
    macros = dict(TRAIN_DATA=train, SKIP_BROKEN_ROWS=True, SKIP_LABELS="bad")
    _, out, _ = check("finetune_table", EVAL_DATA=dev, LABELS="['good', 'ugly']", **macros)
    assert "SKIP_LABELS has the label 'bad': line 3" in out
    assert "would stop" not in out and "unknown to training" not in out
    assert "  a model needs at least two labels to learn from" in out.partition("evaluation")[0]
    bare = write(tmp_path / "bare.tsv", "a\tx\nb\ty\n")
    _, out, _ = check("finetune_table", TRAIN_DATA=bare, HEADER="['text', 'label']")
    assert "  rows                  2\n" in out
    _, out, _ = check("finetune_table", TRAIN_DATA=train, EVAL_FRACTION=0.25)
    assert out.endswith("evaluation: a part of the training data, EVAL_FRACTION=0.25\n")
    same = check("finetune_table", TRAIN_DATA=dev, EVAL_DATA=bare, HEADER="['text', 'label']")[1]
    assert same.endswith("unknown to training: line 2 of '" + str(bare) + "'\n")
    lone = write(tmp_path / "lone.csv", "text,label\nelsewhere,bad\n")
    out = check("finetune_table", TRAIN_DATA=dev, EVAL_DATA=lone)[1]
    assert out.endswith("evaluation and training\n  no text is in both\n")


def test_lengths_are_those_of_the_tokenizer(tmp_path, check, spm):
    texts = ["the file", "a list of objects", "one line with a string in the file " * 3, "see it"]
    pairs = [(first, texts[-1 - number]) for number, first in enumerate(texts)]
    rows = "".join(f"{a},{b},{i % 2}\n" for i, (a, b) in enumerate(pairs))
    train = write(tmp_path / "pairs.csv", "text,other,label\n" + rows)
    lengths = [len(spm.encode(a)) + len(spm.encode(b)) + 3 for a, b in pairs]
    limit = sorted(lengths)[1]
    flags = dict(TRAIN_DATA=train, SECOND_TEXT="other", SEQ_LENGTH=limit)
    _, out, _ = check("finetune_table", TOKENS, **flags)
    numbers = [int(n) for n in re.findall(r"(?:up to|longest) (\d+)", out)]
    shares = (0.5, 0.9, 0.95, 0.99, 1)
    assert numbers == [np.quantile(lengths, q, method="inverted_cdf") for q in shares]
    longer = [f"line {i + 2} of '{train}'" for i, n in enumerate(lengths) if n > limit]
    share = f"{len(longer) / 4:.1%}"
    assert 0 < len(longer) < 4
    assert (
        f"  {len(longer)} row(s) ({share}) are cut because they are longer than "
        f"SEQ_LENGTH={limit}: {', '.join(longer)}"
    ) in out
    _, out, _ = check("finetune_table", TOKENS, WINDOWS="mean", **flags)
    assert f"  {len(longer)} row(s) ({share}) are read in windows because they are longer" in out


def test_several_labels_and_numbers_are_told_apart(tmp_path, check):
    train = write(tmp_path / "sets.csv", 'text,label\na,x;y\nb,x\nc,\nd,"[""z"", ""x""]"\n')
    _, out, _ = check("finetune_multi_label", TRAIN_DATA=train, LABEL_SEPARATOR=";")
    table = re.findall(r"^    (\w+) +(\d+)", out, re.MULTILINE)
    assert table == [("x", "3"), ("y", "1"), ("z", "1")]
    assert "  labels per row        0: 1, 1: 1, 2: 2\n" in out
    train = write(tmp_path / "numbers.csv", "text,label\na,1.5\nb,-2\nc,4\n")
    _, out, _ = check("finetune_table", TRAIN_DATA=train)
    assert "  numbers               least -2, mean 1.16667, most 4\n" in out
    write(train, "text,label\na,1.5\nb,-2\nc,four\n")
    _, out, _ = check("finetune_table", TRAIN_DATA=train, PROBLEM="regression")
    assert "least -2, mean -0.25, most 1.5\n" in out
    assert (
        f"1 label(s) are not numbers and would stop the training: line 4 of '{train}' ('four" in out
    )
    write(train, 'text,label\na,1;-2.5\nb,"[3, 4]"\nc,5;6;7\n')
    _, out, _ = check("finetune_table", TRAIN_DATA=train, PROBLEM="regression", LABEL_SEPARATOR=";")
    assert "  number 1 of 2         least 1, mean 3, most 5\n" in out
    assert "  number 2 of 2         least -2.5, mean 2.5, most 6\n" in out
    assert (
        f"1 row(s) do not have 2 number(s) and would stop the training: line 4 of '{train}' (3)"
        in out
    )
    glue_file.write(tmp_path, "stsb", [("the", "file"), ("a", "list")])
    _, out, _ = check("finetune_stsb", DATA=tmp_path)
    assert out.count("  numbers               least 2.25, mean 3.625, most 5\n") == 2


def test_sentences_are_counted_with_their_entities(tmp_path, check, spm):
    train = conll_file.write(tmp_path / "train.txt", 21, seed=1)
    text = train.read_text()
    _, out, _ = check("finetune_conll2003", TOKENS, TRAIN_DATA=train, SEQ_LENGTH=16)
    tags = re.findall(r"^\w+ \S+ ([OBI]\S*)$", text, re.MULTILINE)
    for tag in set(tags):
        assert re.search(rf"^    {tag} +{tags.count(tag)} ", out, re.MULTILINE)
    for kind in ("PER", "ORG"):
        assert re.search(rf"^    {kind} +{tags.count(f'B-{kind}')} ", out, re.MULTILINE)
    sentences = [re.findall(r"^\S+", block, re.MULTILINE) for block in text.split("\n\n")[1:]]
    lengths = [2 + sum(len(spm.encode(word)) for word in words) for words in sentences if words]
    assert f"  {sum(n > 16 for n in lengths)} sentence(s) (" in out
    assert f"longest {max(lengths)}\n" in out and "continue in another row" in out


def test_questions_are_counted_by_whether_they_have_an_answer(tmp_path, check):
    train = squad_file.write(tmp_path / "train.json", 9, seed=1, impossible=0.4)
    squad = json.loads(train.read_text())
    questions = [q for p in squad["data"][0]["paragraphs"] for q in p["qas"]]
    answerable = [q for q in questions if q["answers"]]
    answerable[1]["answers"][0]["answer_start"] += 1
    train.write_text(json.dumps(squad))
    dev = write(tmp_path / "dev.jsonl", "")
    context = squad["data"][0]["paragraphs"][0]["context"]
    entry = dict(id="new", question="Which?", context=context, answers=[])
    dev.write_text(json.dumps(entry) + "\n")
    code, out, _ = check("finetune_squad2", TOKENS, TRAIN_DATA=train, EVAL_DATA=dev)
    assert code == 0
    place = f"'{train}' question '{answerable[1]['id']}'"
    assert f"1 question(s) left out: the answer is not at its answer_start: {place}\n" in out
    assert "1 question(s) that are left out would stop the training" in out
    assert "or set SKIP_INVALID=True\n" in out
    assert re.search(rf"^    answerable +{len(answerable) - 1} ", out, re.MULTILINE)
    assert re.search(rf"^    unanswerable +{18 - len(answerable)} ", out, re.MULTILINE)
    assert "1 question(s) of evaluation are about a text that training has too: '" in out


def test_items_are_counted_by_the_letter_of_the_choice(tmp_path, check, spm):
    choice_file.race(tmp_path, 7, seed=1)
    _, out, _ = check("finetune_race_v2", TOKENS, TRAIN_DATA=tmp_path)
    passages = [json.loads(p.read_text()) for p in tmp_path.rglob("*.txt")]
    letters = [letter for passage in passages for letter in passage["answers"]]
    for letter in set(letters):
        assert re.search(rf"^    {letter} +{letters.count(letter)} ", out, re.MULTILINE)
    longest = max(
        len(spm.encode(passage["article"])) + 3
        + max(len(spm.encode(question.replace("_", option) if "_" in question
                             else f"{question} {option}")) for option in options)
        for passage in passages
        for question, options in zip(passage["questions"], passage["options"])
    )  # fmt: skip
    assert f"longest {longest}\n" in out


@pytest.mark.parametrize(
    ("recipe", "macros", "message"),
    [
        ("finetune_table", {}, "A check of data needs training data. Received an empty TRAIN_DATA"),
        ("finetune_table", {"TRAIN_DATA": "no.csv"}, "must match at least one file. Received 'no."),
        ("finetune_table", {"TRAIN_DATA": "a.csv", "TEXT": "txt"}, "without 'txt'. Closest: text"),
        ("finetune_table", {"TRAIN_DATA": "b.csv"}, "must contain examples. Received 0 examples"),
        ("finetune_table", {"TRAIN_DATA": "a.csv", "EVAL_DATA": "b.csv"}, "Received 0 examples in"),
        ("finetune_table", {"TRAIN_DATA": "a.csv", "LABLE": "x"}, "Received 'LABLE'. Closest: LAB"),
        ("finetune_table", {"TRAIN_DATA": "a.csv", "VOCAB": "no.model"}, "Received 'no.model'"),
        ("finetune_conll2003", {"TRAIN_DATA": "a.csv", "WORD_COLUMN": 7}, "for the columns [7, -1"),
        ("finetune_squad2", {"TRAIN_DATA": "a.csv"}, "whose line 1 is not valid JSON"),
        ("pretrain_tiny", {"TRAIN_DATA": "a", "EVAL_DATA": "a", "VOCAB": "a", "VOCAB_SIZE": 9,
                           "TRAIN_STEPS": 1}, "needs a recipe for fine-tuning. Received --gin"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_error(recipe, macros, message, tmp_path, check, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("a.csv", "text,label\na,x\nb,y\n")
    write("b.csv", "text,label\n\n")
    code, out, error = check(recipe, **macros)
    assert (code, out) == (2, "") and error.startswith("albert-tf data: error: ")
    assert message in error
