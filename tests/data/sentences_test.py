import pytest

from albert_tf.data.sentences import is_prose, split_sentences


@pytest.mark.parametrize(
    "text, expected",
    [
        ("One is here. Two is there! Three?", ["One is here.", "Two is there!", "Three?"]),
        ("See e.g. The book, vs. Others. Next.", ["See e.g. The book, vs. Others.", "Next."]),
        ("By J. Smith. It works.", ["By J. Smith.", "It works."]),
        ('He said "stop." Then left.', ['He said "stop."', "Then left."]),
        ("Version 3.5 is out. see below", ["Version 3.5 is out. see below"]),
        ("No end", ["No end"]),
        ("", []),
    ],
)
def test_split_sentences(text, expected):
    assert split_sentences(text) == expected


@pytest.mark.parametrize(
    "sentence, expected",
    [
        ("Return the first item of the list.", True),
        ("Path to the data file", True),
        ("Apply random noise.", True),
        ("Parameters and", False),
        ("If seed is None, use global_state = True.", False),
        ("See https://example.org for the list of names.", False),
        ("Das ist die größte Zahl von allen.", False),
        ("- the list of all the things in it.", False),
        ("alpha beta gamma delta epsilon.", False),
        ("The shape is (1, 2, 3, 4, 5, 6, 7, 8, 9).", False),
        ("The end " * 80 + ".", False),
    ],
)
def test_is_prose(sentence, expected):
    assert is_prose(sentence) is expected
