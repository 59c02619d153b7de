import pytest

from albert_tf.quickstart.prose import is_prose


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
def test_is_prose_accepts_sentences_and_rejects_code_and_headings(sentence, expected):
    assert is_prose(sentence) is expected
