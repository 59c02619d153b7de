import unicodedata

import pytest

from albert_tf.errors import InputError
from albert_tf.tokenization import special_ids, vocabulary
from albert_tf.tokenization.settings import Preprocessing
from albert_tf.tokenization.tokenizer import AlbertTokenizer

LINES = [f"The Größe of number {i} is {i * 7},{i:03d} (about €{i}) - süß." for i in range(200)]


def test_training_writes_the_model_its_listing_and_settings(tmp_path):
    settings = Preprocessing(lower_case=False, keep_accents=True)
    path = vocabulary.train(LINES, tmp_path / "new/v.1", 120, settings)
    assert path == tmp_path / "new/v.1.model"
    tokenizer = AlbertTokenizer(path)
    assert tokenizer.preprocessing == settings
    assert tokenizer.vocab_size == 120
    official = ["(", ")", '"', "-", ".", "–", "£", "€"]
    assert tokenizer.pieces[:13] == [*special_ids.PIECES, *official]
    rows = (tmp_path / "new/v.1.vocab").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 120
    assert rows[3] == "[SEP]\t0"
    assert [row.split("\t")[0] for row in rows] == tokenizer.pieces


def test_text_is_normalised_before_training(tmp_path):
    plain = AlbertTokenizer(vocabulary.train(LINES, tmp_path / "plain", 90))
    characters = set("".join(plain.pieces[13:]))
    assert "ö" not in characters
    assert not any(c.isupper() for c in characters)
    kept = vocabulary.train(LINES, tmp_path / "kept", 90, Preprocessing(False, True))
    characters = set("".join(AlbertTokenizer(kept).pieces[13:]))
    assert {"ö", "G"} <= characters
    assert not any(unicodedata.combining(c) for c in characters)


def test_the_same_lines_give_the_same_bytes_even_when_sampled(tmp_path):
    lines = [f"{a} {b} {a + b}" for a in range(30) for b in range(30)]
    one, two = (
        vocabulary.train(iter(lines), tmp_path / name, 40, input_sentence_size=101)
        for name in ("one", "two")
    )
    assert one.read_bytes() == two.read_bytes()


def test_long_lines_are_not_dropped(tmp_path):
    line = " ".join(f"word{i % 50}" for i in range(20_000))
    tokenizer = AlbertTokenizer(vocabulary.train([line], tmp_path / "v", 40))
    assert "▁word" in "".join(tokenizer.tokenize("word1"))


@pytest.mark.parametrize(
    "lines, size, message",
    [
        (
            LINES,
            30_000,
            r"not exceed what the text supports, \d+ pieces here\. Received vocab_size=30",
        ),
        (LINES, 20, r"room for every character, \d+ pieces here\. Received vocab_size=20"),
        (LINES, 13, r"larger than the 13 pieces that every vocabulary has\. Received 13"),
        ([" ", "\n"], 30, "needs text. Received only blank lines"),
    ],
)
def test_failed_training_leaves_existing_files_alone(tmp_path, lines, size, message):
    (tmp_path / "v.vocab").write_text("mine")
    with pytest.raises(InputError, match=message):
        vocabulary.train(lines, tmp_path / "v", size, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["v.vocab"]
    assert (tmp_path / "v.vocab").read_text() == "mine"


def test_the_size_suggested_by_the_error_works(tmp_path):
    with pytest.raises(InputError) as error:
        vocabulary.train(LINES, tmp_path / "v", 30_000)
    largest = int(str(error.value).split("at most ")[1].split(",")[0])
    assert AlbertTokenizer(vocabulary.train(LINES, tmp_path / "v", largest)).vocab_size == largest


def test_existing_files_are_refused_before_reading(tmp_path):
    (tmp_path / "v.model").write_text("mine")

    def lines():
        raise AssertionError("read")
        yield

    with pytest.raises(InputError, match="not overwritten by default.*v.model' exists"):
        vocabulary.train(lines(), tmp_path / "v", 90)


def test_an_error_of_the_reader_is_raised_unchanged(tmp_path):
    def lines():
        yield "text"
        raise KeyError("reader")

    with pytest.raises(KeyError, match="reader"):
        vocabulary.train(lines(), tmp_path / "v", 90)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"character_coverage": 1.5}, r"must lie in \(0, 1\]\. Received 1\.5"),
        ({"input_sentence_size": 100}, r"0 \(all lines\) or more than 100\. Received 100"),
        ({"num_threads": 0}, r"num_threads must be at least 1\. Received 0"),
    ],
)
def test_invalid_arguments_are_errors(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        vocabulary.train(LINES, tmp_path / "v", 90, **arguments)
