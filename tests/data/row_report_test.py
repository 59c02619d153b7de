"""No row is lost: each gives an example, or is counted with its place and the reason."""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from albert_tf.data import documents, tables
from albert_tf.data.row_report import SHOWN, RowReport
from albert_tf.errors import InputError
from albert_tf.tasks.classification import data as classification
from albert_tf.tasks.classification import glue
from albert_tf.tasks.multiple_choice import choice_tables, race
from albert_tf.tasks.multiple_choice import data as multiple_choice
from albert_tf.tasks.question_answering import data as question_answering
from albert_tf.tasks.question_answering import squad
from albert_tf.tasks.question_answering.span_windows import SpanWindowSettings
from albert_tf.tasks.tagging import conll

FEW = settings(
    derandomize=True,
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
# Few values, so that rows repeat, are empty, or lack something.
TEXT = st.sampled_from(["", " ", "a", "b c", "Zoë\u0301", "#", "1,000"])
LABEL = st.sampled_from(["", " ", "x", "y", "-"])
ID = st.sampled_from(["", "1", "2"])
ROW = st.one_of(st.none(), st.tuples(ID, TEXT, LABEL), st.lists(TEXT, max_size=4).map(tuple))


def counted(report, examples):
    """Checks that each row is an example or left out, and returns the number of both."""
    left_out = sum(places.count for places in report.left_out.values())
    assert report.rows == examples + left_out and report.kept == examples
    values = report.to_dict()
    assert json.loads(json.dumps(values)) == values
    for reason, places in report.left_out.items():
        assert len(places.first) == min(places.count, SHOWN)
        assert all(re.search(r"line \d+|question", place) for place in places.first), reason
    return examples, left_out


def test_a_report_names_ten_places_and_counts_the_others():
    report = RowReport("question")
    for number in range(1, 1213):
        report.rows += 1
        report.leave_out("it is odd", f"line {number}")
    report.remark("are even", "line 2")
    first = ", ".join(f"line {number}" for number in range(1, 11))
    assert str(report).splitlines() == [
        f"1,212 question(s) left out: it is odd: {first} and 1,202 more",
        "1 question(s) are even: line 2",
    ]
    assert report.to_dict()["left_out"]["it is odd"]["count"] == 1212
    with pytest.raises(InputError, match="the rule"):
        RowReport().broken("reason", "line 1", "the rule")
    assert str(RowReport()) == ""


@FEW
@given(rows=st.lists(ROW, max_size=12), kind=st.sampled_from(["csv", "tsv", "jsonl"]))
def test_every_row_of_a_table_is_an_example_or_left_out(tmp_path, rows, kind):
    columns = ("id", "text", "label")
    written = 0  # Rows after the header; a blank line is one too.
    path = tmp_path / f"a.{kind}"
    lines = [] if kind == "jsonl" else [{"csv": ",", "tsv": "\t"}[kind].join(columns)]
    for row in rows:
        written += 1
        if kind == "jsonl":
            lines.append("" if row is None else json.dumps(dict(zip(columns, row))))
        elif kind == "csv":
            lines.append("" if row is None else ",".join(f'"{cell}"' for cell in row))
        else:
            lines.append("" if row is None else "\t".join(row))
    path.write_text("".join(f"{line}\n" for line in lines))
    report = RowReport(skip_broken=True)
    found = tables.read(path, ("text", "label"), report=report)
    found = tables.without_repeats(found, report, False)
    kept = list(classification.labelled_texts(found, ("text",), "label", report, "", {"-"}))
    assert counted(report, len(kept))[0] == len(kept) and report.rows == written
    wanted, ids = [], set()
    for row in rows:
        if row is None or len(row) < 2 or (kind != "jsonl" and len(row) != 3):
            continue
        if len(row) < 3 or (row[0] and row[:3] in ids):
            continue
        first = next((r for r in ids if row[0] and r[0] == row[0]), None)
        ids |= {row[:3]} if first is None else set()
        if row[2].strip() and row[2] != "-":
            wanted.append((row[1], row[2]))
    assert [(row.texts[0], row.label) for row in kept] == wanted
    # Without labels, every row with the right fields is kept, and blank lines are rows.
    if all(row is None or len(row) == 3 for row in rows):
        report = RowReport()
        found = list(tables.read(path, ("text",), report=report, to_predict=True))
        texts = ["" if row is None else row[1] for row in rows]
        assert [row.fields["text"] for row in found] == texts
        assert counted(report, len(found)) == (len(rows), 0)


@FEW
@given(lines=st.lists(st.sampled_from(["", " ", "a", "a b", " c ", "\u0301"]), max_size=9))
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_every_line_of_text_to_predict_is_a_row(tmp_path, lines, end):
    path = tmp_path / "a.txt"
    text = ("\n" if end == "" else end).join(lines) + (end if lines else "")
    path.write_bytes(text.encode())
    report = RowReport()
    rows = list(tables.read(path, ("text",), report=report, to_predict=True))
    while end == "" and lines and not lines[-1]:  # Nothing follows the last line end.
        lines = lines[:-1]
        break
    assert [row.fields["text"].strip() for row in rows] == [line.strip() for line in lines]
    assert report.rows == len(lines)


QUESTION = st.fixed_dictionaries(
    {"question": TEXT, "context": TEXT},
    optional={
        "answers": st.lists(
            st.fixed_dictionaries(
                {"text": st.sampled_from(["a", "b c", "\u0301"]), "answer_start": st.integers(0, 3)}
            ),
            max_size=2,
        )
    },
)


@FEW
@given(rows=st.lists(QUESTION, min_size=1, max_size=8), is_training=st.booleans())
def test_every_question_is_an_example_or_left_out(tmp_path, spm, rows, is_training):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = RowReport("question", skip_broken=True)
    questions = squad.read([path], report)
    assert [question.text for question in questions] == [row["question"] for row in rows]
    if is_training:
        questions = question_answering.well_placed(questions, report)
    prepared = list(
        question_answering.prepare(
            questions, spm, SpanWindowSettings(24, 4, 8), report, is_training
        )
    )
    kept, left_out = counted(report, len(prepared))
    assert kept + left_out == len(rows) and all(p.windows for p in prepared)
    assert is_training or not left_out


PASSAGE = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["a", "b"]),
        "article": TEXT,
        "questions": st.lists(TEXT, min_size=2, max_size=2),
        "options": st.lists(st.lists(TEXT, max_size=5), min_size=2, max_size=2),
        "answers": st.lists(st.sampled_from("ABE-"), min_size=2, max_size=2),
    }
)


@FEW
@given(passages=st.lists(PASSAGE, max_size=4), labelled=st.booleans())
def test_every_question_of_race_is_an_item_or_left_out(tmp_path, passages, labelled):
    path = tmp_path / "all.txt"
    path.write_text("".join(json.dumps(passage) + "\n\n" for passage in passages))
    report = RowReport("item", skip_broken=True)
    try:
        items = list(multiple_choice.checked(race.read([path], report), 4, labelled, report))
    except InputError as error:  # One id for two contents is an error.
        assert "item must have its own id" in str(error)
        return
    counted(report, len(items))
    assert report.rows == 2 * len(passages)


CHOICES = st.tuples(TEXT, TEXT, TEXT, TEXT, st.sampled_from(["0", "1", "2", "", "x", "9"]))


@FEW
@given(rows=st.lists(st.one_of(st.none(), CHOICES), max_size=8), labelled=st.booleans())
def test_every_row_of_choices_is_an_item_or_left_out(tmp_path, rows, labelled):
    names = choice_tables.Columns("p", "q", ("a", "b"), "l")
    lines = ["p\tq\ta\tb\tl", *("" if row is None else "\t".join(row) for row in rows)]
    path = tmp_path / "a.tsv"
    path.write_text("\n".join(lines) + "\n")
    report = RowReport("item", skip_broken=labelled)
    columns = [*names.texts(), "l"] if labelled else names.texts()
    found = tables.read(path, columns, report=report, to_predict=not labelled)
    items = choice_tables.items(found, names, labelled, report)
    items = list(multiple_choice.checked(items, 2, labelled, report))
    counted(report, len(items))
    assert report.rows == len(rows) and (labelled or len(items) == len(rows))
    for item in items:
        assert not labelled or item.exists[item.label]


WORD = st.one_of(st.just(""), st.tuples(TEXT, LABEL).map("\t".join), st.just("a\tb\tc"))


@FEW
@given(lines=st.lists(WORD, max_size=12))
def test_every_sentence_is_an_example_or_left_out(tmp_path, lines):
    path = tmp_path / "a.txt"
    path.write_text("\n".join(["first\tx", "", *lines]) + "\n")
    report = RowReport("sentence", skip_broken=True)
    sentences = list(conll.read(path, report=report))
    counted(report, len(sentences))
    groups = re.split(r"\n(?:\s*\n)+", "\n".join(lines).strip("\n"))
    groups = [g for g in groups if g.strip()]
    assert report.rows == 1 + len(groups)
    assert sum(len(sentence.words) for sentence in sentences) <= 1 + len(lines)


@FEW
@given(texts=st.lists(st.lists(TEXT, max_size=3), max_size=6), objects=st.booleans())
def test_no_text_of_a_corpus_is_lost(tmp_path, texts, objects):
    path = tmp_path / ("a.jsonl" if objects else "a.txt")
    if objects:
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    else:
        path.write_text("\n\n".join("\n".join(text) for text in texts))
    wanted = [line.strip() for text in texts for line in text if line.strip()]
    assert [line for text in documents.read_documents(path) for line in text] == wanted
    assert [line.strip() for line in documents.TextLines([path]) if line.strip()] == wanted
    assert documents.count(path).lines == len(wanted)


OBJECT = st.one_of(
    st.sampled_from([None, " ", "\t"]),
    st.sampled_from(["", "  ", "a", "a\n\nb", " \n "]).map(lambda text: {"text": text}),
    st.lists(TEXT, max_size=3).map(lambda text: {"text": text}),
)


@FEW
@given(rows=st.lists(OBJECT, max_size=8))
def test_every_line_of_a_corpus_of_objects_is_a_document_or_left_out(tmp_path, rows):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f"{json.dumps(r) if isinstance(r, dict) else r or ''}\n" for r in rows))
    report = RowReport()
    found = list(documents.read_documents(path, report=report))
    assert counted(report, len(found))[0] == len(found) and report.rows == len(rows)
    lines = documents.TextLines([path])
    list(lines)
    assert str(lines.report) == str(report)
    blank = [f"line {n} of '{path}'" for n, r in enumerate(rows, 1) if not isinstance(r, dict)]
    assert report.left_out["the line is blank"].first == blank


def test_lines_without_text_are_reported_for_all_files_together(tmp_path):
    for name, count in (("a.jsonl", 7), ("b.jsonl.txt", 2), ("c.jsonl", 6)):
        text = '{"text": "one"}\n' + '\n{"text": " \\n"}\n' * count
        (tmp_path / name).write_text(text)
    paths, report = sorted(tmp_path.iterdir()), RowReport()
    documents.scan(paths, report=report)
    assert (report.rows, report.kept) == (28, 2)
    first = [f"line {2 * n} of '{paths[0]}'" for n in range(1, 8)]
    first += [f"line {2 * n} of '{paths[2]}'" for n in range(1, 4)]
    assert f"13 row(s) left out: the line is blank: {', '.join(first)} and 3 more" in str(report)
    assert "13 row(s) left out: its text is blank: line 3 of" in str(report)


GLUE_ROW = st.tuples(*[st.sampled_from(["a", "b c", "", "Zoë"])] * 2, st.sampled_from("01 "))


@FEW
@given(rows=st.lists(st.one_of(st.just(()), GLUE_ROW, st.just(("x",))), max_size=8))
def test_every_row_of_glue_is_an_example_or_left_out(tmp_path, rows):
    layout, path = glue.layout("mrpc"), tmp_path / "train.tsv"
    lines = ["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"]
    for row in rows:
        lines.append("\t".join((row[2], "1", "2", *row[:2]) if len(row) == 3 else row))
    path.write_text("\n".join(lines) + "\n")
    report = RowReport(skip_broken=True)
    found = tables.read(path, (*layout.texts, layout.label), layout.header, report)
    kept = list(classification.labelled_texts(found, layout.texts, layout.label, report))
    counted(report, len(kept))
    assert report.rows == len(rows)
    wanted = [(row[:2], row[2]) for row in rows if len(row) == 3 and row[2].strip()]
    assert [(row.texts, row.label) for row in kept] == wanted


LABELS = st.sampled_from(["", "x", "x;y", ";", '["x"]', "[1, true]", "[x", "-;x"])


@FEW
@given(rows=st.lists(st.tuples(TEXT, LABELS), max_size=8))
def test_every_row_with_several_labels_is_an_example_or_left_out(tmp_path, rows):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": t, "label": la}) + "\n" for t, la in rows))
    report = RowReport(skip_broken=True)
    found = tables.read(path, ("text", "label"), report=report)
    arguments = ("label", report, "", {"-"}, True, ";")
    kept = list(classification.labelled_texts(found, ("text",), *arguments))
    counted(report, len(kept))
    wanted = [row for row in rows if row[1] not in ("[1, true]", "-;x")]
    assert [(row.texts[0], row.label) for row in kept] == wanted and report.rows == len(rows)


@FEW
@given(contexts=st.lists(st.lists(QUESTION, max_size=3), min_size=1, max_size=3))
def test_every_question_of_squad_is_an_example_or_left_out(tmp_path, contexts):
    path, rows = tmp_path / "a.json", sum(map(len, contexts))
    paragraphs = [
        {
            "context": "a b c",
            "qas": [{"id": f"{i}/{j}", **question} for j, question in enumerate(questions)],
        }
        for i, questions in enumerate(contexts)
    ]
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    report = RowReport("question", skip_broken=True)
    if not rows:
        with pytest.raises(InputError, match="must not be empty"):
            squad.read([path], report)
        return
    questions = question_answering.well_placed(squad.read([path], report), report)
    assert sum(counted(report, len(questions))) == rows
    assert all(q.impossible or squad.misplaced(q) is None for q in questions)


@FEW
@given(lines=st.lists(st.sampled_from(["", "a", "b", "# c", "-DOCSTART-", "a b"]), max_size=9))
def test_every_sentence_to_label_is_a_row(tmp_path, lines):
    path = tmp_path / "a.txt"
    path.write_text("\n".join(["first", "", *lines]) + "\n")
    report = RowReport("sentence", skip_broken=True)
    sentences = list(conll.read(path, labelled=False, report=report))
    counted(report, len(sentences))
    words = [word for sentence in sentences for word in sentence.words]
    if report.left_out:
        assert {"a b", "# c"} & set(lines)
    else:
        assert words == ["first", *(line for line in lines if line in ("a", "b"))]
