import gzip
import json
import time

import pytest

from albert_tf.data import tables
from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from tests.support import tfds_set


def write(folder, name, text):
    path = folder / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def fields(path, columns, **options):
    return [row.fields for row in tables.read(path, columns, **options)]


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_csv_fields_may_be_quoted(tmp_path, ending):
    body = 'label,text\n1,"He said, ""Yes"""\n0,"line\nend"\n\n1,ü\n'
    path = write(tmp_path, f"a{ending}", body)
    rows = list(tables.read(path, ["text", "label"]))
    assert [row.fields["text"] for row in rows] == ['He said, "Yes"', "line\nend", "ü"]
    # The second row spans lines 3 and 4, and line 5 is empty.
    assert [row.where.split(" of ")[0] for row in rows] == ["line 2", "line 3", "line 6"]


def test_tsv_has_no_quoting(tmp_path):
    path = write(tmp_path, "a.tsv", 'id\tquestion\n7\t"What\'s a ""Q""?\n8\t"\n')
    assert fields(path, ["question"]) == [
        {"id": "7", "question": '"What\'s a ""Q""?'},
        {"id": "8", "question": '"'},
    ]


def test_json_values_are_read_as_text(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"t": "x", "n": 1.5, "b": true, "z": null}\n\n{"t": "y"}\n')
    assert fields(path, ["t"]) == [{"t": "x", "n": "1.5", "b": "true", "z": ""}, {"t": "y"}]


def test_text_files_have_the_requested_columns_in_order(tmp_path):
    path = write(tmp_path, "a.txt", "first\tsecond\nthird\tfourth\n")
    assert fields(path, ["a", "b"]) == [
        {"a": "first", "b": "second"},
        {"a": "third", "b": "fourth"},
    ]


def test_a_given_header_is_used_if_the_file_has_none(tmp_path):
    header = ["source", "label", "mark", "sentence"]
    train = write(tmp_path, "train.tsv", "gj04\t1\t\tA fine one.\n")
    test = write(tmp_path, "test.tsv", "index\tsentence\n0\tA fine one.\n")
    assert fields(train, ["sentence", "label"], header=header)[0]["sentence"] == "A fine one."
    assert fields(test, ["sentence"], header=header) == [{"index": "0", "sentence": "A fine one."}]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.tsv",
            "text\tlabel\nx\t1\ny\n",
            r"as many fields as the header, 2 .*1 in line 3 of .*a",
        ),
        ("a.csv", 'text,label\nx,1\n"y,0\nz,1\n', r"RFC 4180.*row at line 3"),
        ("a.csv", "text,label,text\n", r"names must be unique.*'text' twice in line 1"),
        ("a.csv", "txt,label\nx,1\n", r"without 'text'. Closest: txt"),
        ("a.csv", "good,1\nbad,0\n", r"if the file has no such line, set HEADER .* HEADER=id,la"),
        ("a.tsv", "good\t1\nbad\t0\n", r"without 'text'.* set HEADER to the names, such as"),
        ("a.jsonl", '{"text": "x"}\n{"text": \n', r"one object per line. Received line 2 of"),
        ("a.jsonl", '{"text": "x"}\n[1]\n', r"one object per line. Received line 2 of .*type list"),
        ("a.jsonl", '{"text": "x"}\n{"text": "\\ud800"}\n', r"line 2 of .*half of a surrogate"),
        ("a.jsonl", "[" * 99_999, r"one object per line. Received line 1 of .*nested too deeply"),
        ("a.jsonl", '{"text": ' + "9" * 5000 + "}", r"Received line 1 of .*Exceeds the limit"),
        ("a.xlsx", "", r"must end in one of \.csv, \.tsv"),
    ],
)
def test_errors_name_the_broken_file_and_line(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        list(tables.read(write(tmp_path, name, text), ["text"]))


def test_latin_1_is_an_error_that_names_the_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\ngood,1\ncafé,0\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"UTF-8.*a\.csv', whose line 3 .*iconv -f LATIN1"):
        list(tables.read(path, ["text"]))


def test_broken_rows_can_be_left_out(tmp_path):
    path = write(tmp_path, "a.tsv", "text\tlabel\nx\t1\ny\n\nz\t0\t9\nw\t1\n")
    report = RowReport(skip_broken=True)
    assert [f["text"] for f in fields(path, ["text"], report=report)] == ["x", "w"]
    assert (report.rows, report.kept) == (5, 2)
    assert str(report).splitlines() == [
        f"2 row(s) left out: it has not 2 fields: line 3 of '{path}', line 5 of '{path}'",
        f"1 row(s) left out: the line is blank: line 4 of '{path}'",
    ]


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a.txt", "one\n\n \t\nfour\n\n", ["one", "", "", "four", ""]),
        ("a.txt", "one\r\n\r\nthree", ["one", "", "three"]),
        ("a.txt", "a\rb\n\x0bc\n", ["a\rb", "\x0bc"]),
        ("a.tsv", "\nid\ttext\n1\tone\n\n  \n4\t\n", ["one", "", "", ""]),
        ("a.csv", 'text\none\n\n""\nfour\n', ["one", "", "", "four"]),
        ("a.csv", "id,text\n1,one\n\n3,three\n\n", ["one", "", "three", ""]),
        ("a.jsonl", '{"text": "one"}\n\n{"text": null}\n \n', ["one", "", "", ""]),
    ],
)
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_every_line_to_predict_is_a_row(tmp_path, name, text, wanted, packed):
    path, report = write(tmp_path, name + packed, text), RowReport()
    rows = fields(path, ["text"], report=report, to_predict=True)
    assert [row["text"] for row in rows] == wanted
    assert report.rows == report.kept == len(wanted)


def test_a_blank_line_to_predict_has_every_column(tmp_path):
    path = write(tmp_path, "a.txt", "one\ttwo\n\nthree\t\n")
    rows = [list(row.values()) for row in fields(path, ["a", "b"], to_predict=True)]
    assert rows == [["one", "two"], ["", ""], ["three", ""]]


def test_a_field_may_be_long_and_a_header_wide(tmp_path):
    long = 'word "' * 50_000
    path = write(tmp_path, "a.csv", 'text,label\n"{}",1\n'.format(long.replace('"', '""')))
    assert fields(path, ["text"]) == [{"text": long, "label": "1"}]
    names = [f"c{number}" for number in range(30_000)]
    path = write(tmp_path, "b.csv", ",".join(names) + "\n" + ",".join(names) + "\n")
    (row,) = fields(path, ["c29999"])
    assert row["c29999"] == "c29999" and len(row) == 30_000
    path = write(tmp_path, "c.tsv", "text\tlabel\t\t\nx\t1\t\t\n")
    assert fields(path, ["text", "label"])[0]["label"] == "1"


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl"])
def test_wide_rows_that_are_left_out_take_no_longer_than_others(tmp_path, ending):
    names = [f"column {number}" for number in range(30_000)]
    rows = [names, *[["1"] * len(names)] * 20]
    lines = [("," if ending == ".csv" else "\t").join(row) for row in rows]
    if ending == ".jsonl":
        lines = [json.dumps(dict.fromkeys(names, 1))] * 20
    path = write(tmp_path, f"a{ending}", "\n".join(lines))
    report, start = RowReport(skip_broken=True), time.process_time()
    assert fields(path, ["text"], report=report) == [] and report.rows == 20
    assert time.process_time() - start < 1.5
    with pytest.raises(InputError, match="without 'text'. .*All: column 0, column 1, column 10,"):
        fields(path, ["text"])


def test_rows_with_the_same_id_and_fields_are_one_row(tmp_path):
    path = write(tmp_path, "a.csv", "id,text\n7,x\n8,x\n7,x\n7,y\n,x\n,x\n")
    report = RowReport()
    rows = tables.read(path, ["text"], report=report)
    kept = [row.fields["text"] for row in tables.without_repeats(rows, report, False)]
    assert kept == ["x", "x", "y", "x", "x"] and (report.rows, report.kept) == (6, 5)
    assert str(report).splitlines() == [
        f"1 row(s) left out: an earlier one has the same id and content: line 4 of '{path}'",
        f"1 row(s) have the id of an earlier one with other content: line 5 of '{path}'",
    ]
    rows = tables.without_repeats(tables.read(path, ["text"]), RowReport(), True)
    assert len(list(rows)) == 6  # Each row to predict gets an answer.


def test_distinct_values_are_sorted():
    assert tables.distinct(["b", "10", "9", "a", "b", "-1"]) == ["-1", "9", "10", "a", "b"]


def test_reads_a_prepared_tfds_data_set(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    tfds_set.store(tmp_path, train=(["a", "ü"], [1, -1]))
    rows = list(tables.read_tfds("toy", "train", str(tmp_path), ["text", "label"]))
    values = sorted((row.fields["text"], row.fields["label"]) for row in rows)
    assert values == [("a", "yes"), ("ü", "")]
    with pytest.raises(InputError, match="'toy' without 'sentence'"):
        list(tables.read_tfds("toy", "train", str(tmp_path), ["sentence"]))
    with pytest.raises(InputError, match="prepared on this machine. Received 'nothing'"):
        list(tables.read_tfds("nothing", "train", str(tmp_path), ["text"]))
