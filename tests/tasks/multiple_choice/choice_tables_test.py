import pytest

from albert_tf.data.row_report import RowReport
from albert_tf.data.tables import Row
from albert_tf.errors import InputError
from albert_tf.tasks.multiple_choice.choice_tables import Columns, items

FIELDS = dict(p="A context.", q="Then", a="it ends.", b="it goes on.", c=" ", right="1")
COLUMNS = Columns("p", "q", ("a", "b", "c"), "right")


def test_a_choice_continues_its_question():
    (item,) = items([Row("line 2", FIELDS)], COLUMNS, True, RowReport())
    assert item.passage == "A context." and item.label == 1 and item.origin == "line 2"
    assert item.choices == ("Then it ends.", "Then it goes on.")


@pytest.mark.parametrize("question", ["So _", "So ____"])
def test_a_choice_fills_the_gap_of_its_question(question):
    (item,) = items([Row("line 2", {**FIELDS, "q": question})], COLUMNS, True, RowReport())
    assert item.choices == ("So it ends.", "So it goes on.")


def test_rows_may_have_no_question_and_no_label():
    columns = COLUMNS._replace(question="")
    first, second = items(
        [Row("line 2", FIELDS), Row("line 3", FIELDS)], columns, False, RowReport()
    )
    assert first.choices == ("it ends.", "it goes on.") and first.label is None
    assert (first.id, second.id) == ("0", "1") and columns.texts() == ["p", "a", "b", "c"]


def test_an_empty_choice_before_others_keeps_its_place():
    (item,) = items([Row("line 2", {**FIELDS, "a": " "})], COLUMNS, False, RowReport())
    assert item.choices == ("", "Then it goes on.") and item.exists == [False, True]


@pytest.mark.parametrize("label", ["", "-1", "A", "1.0", "9" * 79])
def test_an_error_for_a_bad_label_names_its_row(label):
    with pytest.raises(InputError, match=f"Received '{label}' in column 'right', line 2"):
        list(items([Row("line 2", {**FIELDS, "right": label})], COLUMNS, True, RowReport()))


def test_a_row_with_a_bad_label_can_be_left_out():
    rows = [Row("line 2", {**FIELDS, "right": ""}), Row("line 3", FIELDS)]
    report = RowReport("item", skip_broken=True)
    report.rows = 2  # The reader of the table counts them.
    (item,) = items(rows, COLUMNS, True, report)
    assert (item.id, item.origin, report.kept) == ("1", "line 3", 1)
    assert str(report) == "1 item(s) left out: the label is empty: line 2"
