import pytest

from albert_tf.errors import InputError
from albert_tf.tasks.tagging.conll import Sentence, read

CONLL_2003 = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
# NN I-NP O

Zoë NNP B-NP B-PER

"""
TABS = "# sent_id = 1\n1\tNew York\tB-LOC\n2\tis\tO\n\n# text\n1\tbig\tO"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "ner.txt"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def test_conll_2003_files_are_read(write):
    path = write(CONLL_2003)
    assert read(path) == [
        Sentence(("EU", "#"), ("B-ORG", "O"), 3, str(path)),
        Sentence(("Zoë",), ("B-PER",), 6, str(path)),
    ]
    assert read(path, label_column=1)[0].labels == ("NNP", "NN")


def test_files_with_tabs_and_comments_are_read(write):
    path = write(TABS)
    assert read(path, word_column=1) == [
        Sentence(("New York", "is"), ("B-LOC", "O"), 2, str(path)),
        Sentence(("big",), ("O",), 6, str(path)),
    ]


def test_files_of_words_without_labels_are_read(write):
    assert [s.words for s in read(write("a\nb\n\nc\n"), labelled=False)] == [("a", "b"), ("c",)]
    assert read(write("\n\n")) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a O\nb X O\n",
            r"same number of columns. Received 3 at .*ner\.txt' line 2, after rows of 2",
        ),
        ("a O\n\nb\n", r"Received 1 at .*ner\.txt' line 3, after rows of 2: \['b'\]"),
        ("a\n", r"one column for the word and another for its label. Received \['a'\] at .*line 1"),
        ("\n\tO\n", r"must not be empty. Received \['', 'O'\] at .*ner\.txt' line 2"),
        (b"a O\ncaf\xe9 O\n", r"must be UTF-8 text.*ner\.txt', whose line 2 is not.*LATIN1"),
    ],
)
def test_an_error_for_a_bad_row_names_its_line(write, text, message):
    with pytest.raises(InputError, match=message):
        read(write(text))


def test_a_missing_column_is_an_error(write):
    with pytest.raises(InputError, match=r"line 1 for the columns \[0, 2\]. Set WORD_COLUMN"):
        read(write("a O\n"), label_column=2)
