import pytest

from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.tasks.tagging import conll
from albert_tf.tasks.tagging.conll import Sentence

CONLL_2003 = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
# NN I-NP O

Zoë NNP B-NP B-PER

"""
TABS = "# sent_id = 1\n1\tNew York\tB-LOC\n2\tis\tO\n\n# text\n1\tbig\tO"


def read(*args, **kwargs):
    return list(conll.read(*args, **kwargs))


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
        ("\nEU\t\n", r"must not be empty. Received \['EU', ''\] at .*ner\.txt' line 2"),
        ("a O\n#b\n", r"same number of columns. Received 1 at .*ner\.txt' line 2"),
        (b"a O\ncaf\xe9 O\n", r"must be UTF-8 text.*ner\.txt', whose line 2 is not.*LATIN1"),
    ],
)
def test_an_error_for_a_bad_row_names_its_line(write, text, message):
    with pytest.raises(InputError, match=message):
        read(write(text))


def test_a_missing_column_is_an_error(write):
    with pytest.raises(InputError, match=r"line 1 for the columns \[0, 2\]. Set WORD_COLUMN"):
        read(write("a O\n"), label_column=2)


GERM_EVAL = "#\thttp://a.b [2009]\n1\tZoë\tB-PER\tO\n2\t#\tO\tO\n\t\n#\thttp://c\n1\tis\tO\tO\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GERM_EVAL, [("Zoë", "#"), ("is",)]),
        ("# sent_id = 1\n1 a _ O\n2 # _ O\n\t\n# text = a\n1 c _ O", [("a", "#"), ("c",)]),
        ("# newdoc\n1 # _ O\n \n\t \n\n1 b _ O\n", [("#",), ("b",)]),
    ],
)
def test_blank_lines_may_have_white_space_and_comments_tabs(write, text, words):
    report = RowReport("sentence")
    sentences = read(write(text), word_column=1, label_column=2, report=report)
    assert [sentence.words for sentence in sentences] == words
    assert report.rows == len(words)
    assert report.remarks["follow a comment"].count == sum(
        line.startswith("#") for line in text.splitlines()
    )


def test_a_word_may_be_a_number_sign_or_empty(write):
    assert read(write("# O\n#love B\n"))[0].words == ("#", "#love")
    assert read(write("a\tO\n\tB\n"))[0].words == ("a", "")
    assert read(write("#\n#b\n"), labelled=False)[0].words == ("#", "#b")


def test_a_sentence_with_a_broken_row_can_be_left_out(write):
    report = RowReport("sentence", skip_broken=True)
    path = write("a\tO\n\nb\t\nc\tO\n\nd\tO\te\n\nf\tO\n")
    assert [s.words for s in read(path, report=report)] == [("a",), ("f",)]
    assert (report.rows, report.kept) == (4, 2)
    assert str(report).splitlines() == [
        f"1 sentence(s) left out: a label is empty: '{path}' line 3",
        f"1 sentence(s) left out: a row has not 2 columns: '{path}' line 6",
    ]
