import numpy as np
import pytest

from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.tasks.multiple_choice.data import Item, checked, encode

ITEMS = [
    Item("a", "the tower of bricks was red and tall", ("it was red", "no"), 0, "x", "'f' line 1"),
    Item("b", "short", ("one", "two of a very long choice here", "three"), 2, "", "'f' line 2"),
]


def text(examples, spm, row):
    """Returns the passage and choice of a row, and checks its special tokens."""
    batch = examples.batch(np.array([row // 3]))
    ids = batch["input_word_ids"][0, row % 3][batch["input_mask"][0, row % 3] == 1]
    types = batch["input_type_ids"][0, row % 3][: len(ids)]
    split = int((types == 0).sum())
    assert ids[0] == spm.cls_id and ids[split - 1] == ids[-1] == spm.sep_id
    return spm.decode(ids[:split].tolist()), spm.decode(ids[split:].tolist())


def test_rows_hold_the_passages_and_choices_of_items(spm):
    examples, cut = encode(ITEMS, spm, 3, seq_length=40, max_qa_length=20)
    assert (
        len(examples) == 2
        and len(examples.ids.lengths) == 6
        and cut == []
        and examples.sources == ITEMS
    )
    batch = examples.batch(np.array([1, 0]))
    assert batch["input_word_ids"].shape[:2] == (2, 3)
    assert batch["choices"].tolist() == [[1, 1, 1], [1, 1, 0]] and batch["label"].tolist() == [2, 0]
    assert text(examples, spm, 0) == (ITEMS[0].passage, "it was red")
    assert text(examples, spm, 4) == ("short", "two of a very long choice here")
    # The first item has no third choice; the row has only special tokens.
    assert examples.ids.lengths[2] == 2


def test_a_long_passage_is_cut_and_the_end_of_a_choice_is_kept(spm):
    examples, cut = encode(ITEMS, spm, 3, seq_length=18, max_qa_length=8)
    assert examples.ids.lengths.max() == 18 and cut == ["b"]
    for row, choice in ((0, ITEMS[0].choices[0]), (4, ITEMS[1].choices[1])):
        wanted_choice = spm.encode(choice)[-8:]
        passage = spm.encode(ITEMS[row // 3].passage)[: 15 - len(wanted_choice)]
        ids = examples.ids.padded(np.array([row]), int(examples.ids.lengths[row]), 0)[0].tolist()
        assert ids == [spm.cls_id, *passage, spm.sep_id, *wanted_choice, spm.sep_id]


def test_examples_have_no_labels_if_an_item_has_none(spm):
    items = [Item("a", "p", ("x", "y")), ITEMS[0]]
    assert "label" not in encode(items, spm, 2)[0].labels


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (
            Item("a", "p", ("x",) * 5, 0, origin="'f' line 7"),
            r"2 to num_choices=4 choices with text. Received 5 at 'f' line 7. Set NUM_CHOICES",
        ),
        (Item("a", "p", ("x",), 0, origin="'f' line 7"), "Received 1 at 'f' line 7"),
        (
            Item("a", "p", ("x", "y"), origin="'f' line 7"),
            "have a label. Received an item without one at 'f'",
        ),
        (Item("a", "p", ("x", "y"), 2, origin="'f' line 7"), "one of the 2 choices.*index 2 at"),
        (Item("a", "p", ("x", " "), 0, origin="'f' line 7"), "Received 1 at 'f' line 7"),
        (Item("a", "p", ("x", "", "y"), 1, origin="'f' line 7"), "one of the 2 choices.*index 1"),
    ],
)
def test_an_invalid_item_is_an_error_or_left_out(item, message):
    with pytest.raises(InputError, match=message):
        list(checked([ITEMS[0], item], 4, True, RowReport()))
    report = RowReport("item", skip_broken=True)
    report.rows = 2
    assert list(checked([ITEMS[0], item], 4, True, report)) == ITEMS[:1] and report.kept == 1
    (places,) = report.left_out.values()
    assert places.first == ["'f' line 7"]


def test_an_empty_passage_is_a_passage_and_an_empty_choice_is_none(spm):
    items = [Item("a", "", ("it was red", "", "no"), 2), Item("b", " ", (), None)]
    assert list(checked(items, 4, False, RowReport())) == items
    batch = encode(items, spm, 4, seq_length=40, max_qa_length=20)[0].batch(np.array([0, 1]))
    assert batch["choices"].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]]
    ids = [spm.cls_id, spm.sep_id, *spm.encode("it was red"), spm.sep_id]
    assert batch["input_word_ids"][0, 0, : len(ids)].tolist() == ids
    for row in ((0, 1), (0, 3), (1, 0)):
        assert batch["input_mask"][row].sum() == 2


def test_items_that_repeat_a_text_are_kept_and_counted():
    items = [Item("a", "p", ("x", "y"), 0, origin="one"), Item("b", "p", ("x", "y"), 0),
             Item("c", "p", ("x", "y"), 1), Item("d", "q", ("x", "y"), 1)]  # fmt: skip
    report = RowReport("item")
    assert list(checked(items, 4, True, report)) == items
    assert {remark: places.count for remark, places in report.remarks.items()} == {
        "repeat the text of an earlier one": 1,
        "repeat the text of an earlier one with another label": 1,
    }


def test_a_row_without_room_for_choices_is_an_error(spm):
    with pytest.raises(InputError, match="seq_length=20, max_qa_length=18. Set MAX_QA_LENGTH to 1"):
        encode(ITEMS, spm, 3, seq_length=20, max_qa_length=18)
