import numpy as np
import pytest

from albert_tf.errors import InputError
from albert_tf.tasks.multiple_choice.data import Item, check, encode

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
    assert batch["choices"].tolist() == [3, 2] and batch["label"].tolist() == [2, 0]
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
            r"2 to num_choices=4 choices. Received 5 at 'f' line 7. Set NUM_CHOICES",
        ),
        (Item("a", "p", ("x",), 0, origin="'f' line 7"), "Received 1 at 'f' line 7"),
        (
            Item("a", "p", ("x", "y"), origin="'f' line 7"),
            "have a label. Received an item without one at 'f'",
        ),
        (Item("a", "p", ("x", "y"), 2, origin="'f' line 7"), "one of the 2 choices.*index 2 at"),
        (Item("a", "p", ("x", " "), 1, origin="'f' line 7"), "not be empty. Received.*'f' line 7"),
    ],
)
def test_an_error_for_an_invalid_item_names_its_place(item, message):
    with pytest.raises(InputError, match=message):
        check([ITEMS[0], item], num_choices=4, labelled=True)


def test_a_row_without_room_for_choices_is_an_error(spm):
    with pytest.raises(InputError, match="seq_length=20, max_qa_length=18. Set MAX_QA_LENGTH to 1"):
        encode(ITEMS, spm, 3, seq_length=20, max_qa_length=18)
