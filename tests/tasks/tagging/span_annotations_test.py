"""Reads the same two texts in the layouts of annotation tools, and broken ones."""

import json

import pytest

from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.tasks.tagging import span_annotations
from albert_tf.tasks.tagging.span_words import Settings

TEXTS = ["Zoë met Ada.", "😀 New York's old"]
SPANS = [[(0, 3, "PER"), (8, 11, "PER")], [(2, 10, "LOC")]]
WORDS = [("Zoë", "met", "Ada", "."), ("😀", "New", "York", "'", "s", "old")]
LABELS = [("B-PER", "O", "B-PER", "O"), ("O", "B-LOC", "I-LOC", "O", "O", "O")]
ROWS = list(zip(TEXTS, SPANS))


def lines(values):
    return "\n".join(map(json.dumps, values)) + "\n"


def objects(spans, start="start", end="end", label="label", listed=False, **more):
    rows = [{start: s, end: e, label: [name] if listed else name, **more} for s, e, name in spans]
    return rows[::-1]  # Their order does not matter.


def label_studio(text, spans, **more):
    results = [
        {"type": "labels", "value": {**value, "text": text[value["start"] : value["end"]]}}
        for value in objects(spans, label="labels", listed=True)
    ]
    return {"id": 7, "data": {"text": text}, "annotations": [{"result": results, **more}]}


LAYOUTS = {
    "doccano": lines({"id": 3, "text": t, "label": s} for t, s in ROWS),
    "older doccano": lines({"data": t, "labels": s} for t, s in ROWS),
    "doccano with relations": lines(
        {"text": t, "entities": objects(s, "start_offset", "end_offset", id=5), "relations": []}
        for t, s in ROWS
    ),
    "Prodigy": lines(
        {
            "text": t,
            "tokens": [],
            "spans": objects(s, token_start=0, token_end=0),
            "answer": "accept",
        }
        for t, s in ROWS
    ),
    "spaCy": lines([t, {"entities": s}] for t, s in ROWS),
    "spaCy, one list": json.dumps([[t, {"entities": s}] for t, s in ROWS], indent=1),
    "Label Studio": json.dumps([label_studio(t, s) for t, s in ROWS]),
    "Label Studio, indented": json.dumps([label_studio(t, s) for t, s in ROWS], indent=2),
    "JSON-MIN": json.dumps(
        [{"text": t, "label": objects(s, label="labels", listed=True), "id": 1} for t, s in ROWS]
    ),
}


@pytest.fixture
def read(tmp_path):
    def read(text, labelled=True, report=None, name="a.txt", **settings):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        assert span_annotations.matches(path, labelled)
        return list(span_annotations.read(path, Settings(**settings), labelled, report))

    return read


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_gives_the_words_and_their_labels(read, layout, tmp_path):
    report = RowReport("text")
    sentences = read(LAYOUTS[layout], report=report)
    assert [s.words for s in sentences] == WORDS and [s.labels for s in sentences] == LABELS
    assert [s.text for s in sentences] == TEXTS and [s.line for s in sentences] == [1, 2]
    assert [s.text[slice(*place)] for s in sentences for place in s.spans] == sum(
        map(list, WORDS), []
    )
    assert (report.rows, report.kept, str(report)) == (2, 2, "")
    # The name of the file says that it is JSON, or the contents do.
    unlabelled = read(LAYOUTS[layout], labelled=False, name="b.json")
    assert [s.words for s in unlabelled] == WORDS and {s.labels for s in unlabelled} == {()}


@pytest.mark.parametrize("unit", ["bytes", "utf-16"])
def test_offsets_may_count_bytes_or_utf_16_units(read, unit):
    def place(text, offset):
        before = text[:offset]
        return len(before.encode()) if unit == "bytes" else len(before.encode("utf-16-le")) // 2

    rows = [(t, [(place(t, s), place(t, e), name) for s, e, name in spans]) for t, spans in ROWS]
    text = lines({"text": t, "label": spans} for t, spans in rows)
    assert [s.labels for s in read(text, offsets=unit)] == LABELS
    text = "😀 Rome"
    row = lines([{"text": text, "label": [[place(text, 2), place(text, 6), "LOC"]]}])
    with pytest.raises(InputError, match=f"Counted in {unit}, it is 'Rome': set OFFSETS={unit} if"):
        read(row)


def test_rows_that_were_not_annotated_are_left_out_and_counted(read, tmp_path):
    report = RowReport("text")
    text, spans = ROWS[0]
    rows = [{"text": text, "spans": [], "answer": answer} for answer in ("reject", "ignore")]
    rows += [{"text": text, "answer": "accept"}, {"text": " \n", "spans": []}]
    assert [s.labels for s in read(lines(rows), report=report)] == [("O",) * 4]
    path = tmp_path / "a.txt"
    assert str(report).splitlines() == [
        f"1 text(s) left out: its answer is 'reject': '{path}' line 1",
        f"1 text(s) left out: its answer is 'ignore': '{path}' line 2",
        f"1 text(s) left out: its text has no word: '{path}' line 4",
    ]
    report = RowReport("text")
    task = label_studio(text, spans)
    other = {**task["annotations"][0], "result": [{"type": "relation"}]}
    truth = {**task["annotations"][0], "ground_truth": True}
    tasks = [{**task, "annotations": []}, label_studio(text, spans, was_cancelled=True)]
    tasks += [{**task, "annotations": [other, truth]}, {**task, "annotations": [other]}]
    assert [s.labels for s in read(json.dumps(tasks), report=report)] == [LABELS[0], ("O",) * 4]
    assert str(report).splitlines()[:4] == [
        f"1 text(s) left out: it has no annotation: '{path}' entry 1",
        f"1 text(s) left out: its annotation was skipped: '{path}' entry 2",
        f"1 text(s) have several annotations, of which one was read: '{path}' entry 3",
        f"1 text(s) have results that are not spans, which are not read: '{path}' entry 4",
    ]


def test_the_longest_of_overlapping_spans_can_be_kept(read, tmp_path):
    spans = [[0, 7, "ORG"], [0, 12, "ORG"], [8, 12, "LOC"], [13, 17, "X"], [13, 17, "X"]]
    row = lines([{"text": "Bank of Rome here", "label": spans}])
    with pytest.raises(
        InputError,
        match=r"must not overlap.*Received \[0, 7, 'ORG'\] 'Bank of' and \[0, 12, 'ORG'\] 'Bank of "
        r"Rome' in '.*a.txt' line 1. .*OVERLAPS=longest",
    ):
        read(row)
    report = RowReport("text")
    (sentence,) = read(row, overlaps="longest", report=report)
    assert sentence.labels == ("B-ORG", "I-ORG", "I-ORG", "B-X")
    path = tmp_path / "a.txt"
    assert str(report).splitlines() == [
        f"1 text(s) have a span twice: '{path}' line 1",
        f"1 text(s) have spans that overlap, of which the longest are kept: '{path}' line 1",
    ]


def test_blanks_at_the_ends_of_a_span_are_not_part_of_it(read):
    report = RowReport("text")
    (sentence,) = read(
        lines([{"text": "to Paris \u200b.", "label": [[2, 10, "LOC"]]}]), report=report
    )
    assert sentence.labels == ("O", "B-LOC", "O")
    assert [p.count for p in report.remarks.values()] == [1]


BROKEN = {
    '{"text": "a b", "label": [[0, 9, "X"]]}': r"within its text. Received \[0, 9, 'X'\] in "
    "'.*a.txt' line 1, whose text has a length of 3, counted in characters. Correct",
    '{"text": "a b", "label": [[2, 2, "X"]]}': r"begin before it ends.*Received \[2, 2, 'X'\]",
    '{"text": "a b", "label": [[-2, 1, "X"]]}': r"within its text. Received \[-2, 1, 'X'\]",
    '{"text": "a  b", "label": [[1, 3, "X"]]}': r"must have a word. Received \[1, 3, 'X'\], '  ',",
    '{"text": "to Berliners", "label": [[3, 9, "X"]]}': r"between words. Received \[3, 9, 'X'\], "
    "'Berlin', in .*, which cuts 'Berliners'. Move it",
    '{"text": "preview Rome", "label": [[3, 10, "X"]]}': "which cuts 'preview' and 'Rome'",
    '{"text": "a b", "label": [[0, 1, 5]]}': r"must be a string.*Received \[0, 1, 5\] in .* line 1",
    '{"text": "a b", "label": [[0, 1, null]]}': r"must be a string.*Received \[0, 1, null\]",
    '{"text": "a b", "label": [[0, 1, " "]]}': r"that is not empty. Received \[0, 1, \" \"\]",
    '{"text": "a b", "label": [[0.0, 1, "X"]]}': r"whole numbers.*Received \[0.0, 1, \"X\"\]",
    '{"text": "a b", "label": [[true, 1, "X"]]}': "whole numbers",
    '{"text": "a b", "label": [[0, 1]]}': r"must have a start and an end.*Received \[0, 1\]",
    '{"text": "a b", "label": ["X"]}': "must have a start and an end.*Received \"X\"",
    '{"text": "a b", "label": "X"}': "list of spans in one of the fields spans, entities, label",
    '{"text": "a b"}': "which may be empty. Received .*\"a b\".* in .* line 1",
    '{"txt": "a b"}': "must have its text as a string in the field 'text'. Received",
    '{"text": 5, "label": []}': "must have its text as a string",
    '["a b", [[0, 1, "X"]]]': "must have a list of spans",
    '{"text": "a b", "label": [}': r"JSON value on each line, .*Received .* line 1: ",
    '[{"text": "a"}': r"one JSON list. Received '.*a.txt': ",
    '{"text": "\\ud800", "label": []}': "half of a surrogate pair",
    '{"text": "a b a", "spans": [{"start": 1, "end": 2, "label": "X", "text": "a"}]}': "where the "
    r"text is ' '. The nearest one begins at 0. Correct",
    '{"text": "a b", "spans": [{"start": 0, "end": 1, "label": "X", "text": "c"}]}': "must be "
    r"those of its text, counted in characters. Received \[0, 1, 'X'\] of 'c' in .*not contain",
    '{"text": "é b", "spans": [{"start": 3, "end": 4, "label": "X", "text": "b"}]}': "Counted in "
    "bytes, it is 'b': set OFFSETS=bytes if all are.",
    '{"text": "😀 b c", "spans": [{"start": 3, "end": 4, "label": "X", "text": "b"}]}': "in utf-16",
}  # fmt: skip


@pytest.mark.parametrize("row", BROKEN)
def test_the_error_for_a_broken_row_names_its_line(read, row):
    with pytest.raises(InputError, match=BROKEN[row]) as error:
        read(row)
    assert "\n" not in str(error.value)


def test_offsets_that_cut_a_character_are_an_error(read):
    row = lines([{"text": "é b", "label": [[1, 2, "X"]]}])
    with pytest.raises(InputError, match=r"count bytes must not cut a character. Received \[1, 2"):
        read(row, offsets="bytes")


def test_texts_with_a_broken_span_can_be_left_out(read, tmp_path):
    no_json = ("surrogate", "JSON value", "JSON list")
    rows = [row for row in BROKEN if not any(part in BROKEN[row] for part in no_json)]
    report = RowReport("text", skip_broken=True)
    text = "\n".join(["\n", *rows, json.dumps({"text": "a", "label": [[0, 1, "A"]]})])
    assert [s.labels for s in read(text, report=report)] == [("B-A",)]
    assert (report.rows, report.kept) == (len(rows) + 1, 1)
    assert f"a span cuts a word: '{tmp_path / 'a.txt'}' line " in str(report)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("words", "spaces", "WORDS must be unicode or white_space. Received 'spaces'"),
        ("overlaps", "all", "OVERLAPS must be error or longest. Received 'all'"),
        ("offsets", "utf16", "OFFSETS must be characters or utf-16 or bytes. Received 'utf16'"),
    ],
)
def test_unknown_settings_are_errors(name, value, message):
    with pytest.raises(InputError, match=message):
        Settings(**{name: value}).check()


@pytest.mark.parametrize("text", ["[ O\n{ O\n", "[\tO\n", "{\n", "a O\n", "", "[[Rome]] is\n"])
def test_files_of_words_and_lines_of_text_are_not_taken_for_json(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text)
    assert not span_annotations.matches(path, labelled=False)
    assert not span_annotations.matches(path) or "[[" in text
