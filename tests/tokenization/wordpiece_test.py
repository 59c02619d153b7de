"""Compares WordPiece with the ids of the original's FullTokenizer."""

import json
import pickle

import pytest

from albert_tf.tokenization import wordpiece_rules
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support import wordpiece
from tests.support.paths import TESTDATA

GOLDEN = json.loads((TESTDATA / "wordpiece/ids.json").read_text())
CASED = {"lower": True, "cased": False}
TEXTS = wordpiece.texts(10_000)


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    return wordpiece.write(tmp_path_factory.mktemp("wordpiece"))


@pytest.mark.parametrize("name", CASED)
def test_ids_equal_those_of_the_original(vocabulary, name):
    tokenizer = AlbertTokenizer(vocabulary, lower_case=CASED[name])
    rows = tokenizer.encode_batch(TEXTS)
    assert rows[:20] == GOLDEN[name]["first"]
    assert wordpiece.digests(rows) == GOLDEN[name]["sha256"]


@pytest.mark.parametrize("name", CASED)
def test_ids_with_offsets_are_the_same(vocabulary, name):
    tokenizer = AlbertTokenizer(vocabulary, lower_case=CASED[name])
    found = tokenizer.tokenize_batch_with_offsets(TEXTS)
    assert wordpiece.digests([tokens.ids for tokens in found]) == GOLDEN[name]["sha256"]


def test_a_piece_is_what_its_span_gives(vocabulary):
    tokenizer = AlbertTokenizer(vocabulary)
    rules = tokenizer.processor._rules
    for text, tokens in zip(TEXTS[:2000], tokenizer.tokenize_batch_with_offsets(TEXTS[:2000])):
        # A character that becomes several, such as a Hangul syllable, is in several tokens.
        assert tokens.starts == sorted(tokens.starts) and tokens.ends == sorted(tokens.ends)
        for piece, start, end in zip(tokens.pieces, tokens.starts, tokens.ends):
            assert start < end <= len(text)
            if piece != "[UNK]":
                source = rules.normalize(text[start:end])
                # A sigma at the end of the span need not be at the end of the word.
                assert piece.removeprefix("##").replace("ς", "σ") in source.replace("ς", "σ")


@pytest.mark.parametrize(
    "text, spans",
    [
        ("data's", ["data", "'", "s"]),
        ("中国人的film", ["中", "国", "人", "的", "film"]),
        ("  Data\tfi\u0301lm\u0301 ", ["Data", "fi\u0301lm\u0301"]),
        # The accent is in no token, as nothing before it is in its word.
        ("的\u0301good", ["的", "good"]),
        ("\u200bmod\u200bel\u200b", ["mod\u200bel"]),
        ("가", ["가"] * 2),
        ("Ẑ", ["Ẑ"]),
    ],
)
def test_spans_are_of_the_original_text(vocabulary, text, spans):
    tokens = AlbertTokenizer(vocabulary).tokenize_with_offsets(text)
    assert [text[start:end] for start, end in zip(tokens.starts, tokens.ends)] == spans


def test_words_of_tokens_are_those_of_split(vocabulary):
    tokens = AlbertTokenizer(vocabulary).tokenize_with_offsets("the data, 中国 film")
    assert tokens.pieces == ["the", "data", ",", "中", "国", "film"]
    assert tokens.words == [0, 1, 1, 2, 2, 3]


def test_the_longest_word_has_200_characters_or_100(vocabulary):
    for rules, most in (("original", 200), ("hugging_face", 100)):
        tokenizer = AlbertTokenizer(vocabulary, rules=rules)
        assert tokenizer.tokenize("a" * most) == ["a"] + ["##a"] * (most - 1)
        assert tokenizer.tokenize("a" * (most + 1)) == ["[UNK]"]
        # Characters count after accents are stripped, and punctuation ends a word.
        assert len(tokenizer.tokenize("e\u0301" * most + "-" + "a" * most)) == 2 * most + 1


def test_cased_text_keeps_accents_by_default(vocabulary):
    cased = AlbertTokenizer(vocabulary, lower_case=False)
    assert cased.preprocessing.keep_accents
    assert cased.tokenize("É é") == ["É", "é"]
    stripped = AlbertTokenizer(vocabulary, lower_case=False, keep_accents=False)
    assert stripped.tokenize("É é") == ["[UNK]", "e"]
    lowered = AlbertTokenizer(vocabulary, keep_accents=True)
    assert lowered.tokenize("É é") == ["é", "é"]


def test_chinese_characters_are_not_set_apart_without_the_setting(vocabulary):
    tokenizer = AlbertTokenizer(vocabulary, tokenize_chinese_chars=False)
    assert tokenizer.tokenize("中国 人的") == ["中国", "人", "##的"]
    assert AlbertTokenizer(vocabulary).tokenize("中国 人的") == ["中", "国", "人", "的"]
    assert tokenizer.preprocessing.to_dict()["tokenize_chinese_chars"] is False


def test_special_ids_are_those_of_the_vocabulary(vocabulary):
    tokenizer = AlbertTokenizer(vocabulary)
    assert tokenizer.special_ids == (1, 3, 4, 5, 6)
    packed = tokenizer(["the film", "中"], ["good", "bad data"], max_length=9, padding="max_length")
    the, film, good, bad, data, middle = tokenizer.pieces_to_ids(
        ["the", "film", "good", "bad", "data", "中"]
    )
    assert packed["input_word_ids"].tolist() == [
        [4, the, film, 5, good, 5, 1, 1, 1],
        [4, middle, 5, bad, data, 5, 1, 1, 1],
    ]
    # Text such as "[MASK]" is a special token in transformers only.
    assert 6 not in tokenizer.encode("a [MASK]")
    assert AlbertTokenizer(vocabulary, rules="hugging_face").encode("a[MASK]")[-1] == 6


def test_decode_joins_pieces(vocabulary):
    tokenizer = AlbertTokenizer(vocabulary)
    ids = [4, *tokenizer.encode("The filming, 中国!"), 5, 1]
    assert tokenizer.decode(ids) == "the filming , 中 国 !"
    assert tokenizer.decode(ids, skip_special_tokens=False) == (
        "[CLS] the filming , 中 国 ! [SEP] [PAD]"
    )
    assert tokenizer.decode(tokenizer.pieces_to_ids(["##ing", "▁", "the"])) == "ing ▁ the"


def test_pieces_without_signs_of_continuation_begin_words(vocabulary):
    tokenizer = AlbertTokenizer(vocabulary)
    begins = dict(zip(tokenizer.pieces, tokenizer.word_starts))
    assert [begins[piece] for piece in ("the", "中", "[CLS]", "!", "##ing", "##中", "##1")] == (
        [True] * 4 + [False] * 3
    )


def test_a_pickled_tokenizer_gives_the_same_ids(vocabulary):
    tokenizer = AlbertTokenizer(vocabulary, lower_case=False)
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy.encode_batch(TEXTS[:200]) == tokenizer.encode_batch(TEXTS[:200])


def test_bytes_that_are_not_utf8_and_lone_surrogates_are_removed(vocabulary):
    tokenizer = AlbertTokenizer(vocabulary)
    assert tokenizer.tokenize(b"fi\xfflm".decode("utf-8", "replace")) == ["film"]
    assert tokenizer.encode_batch([b"fi\xfflm"]) == [tokenizer.encode("film")]
    assert tokenizer.replaced_bytes == 1
    assert tokenizer.tokenize("fi\ud800lm") == ["film"]


def test_added_tokens_are_found_first(vocabulary):
    size = len(wordpiece.pieces())
    added = [{"id": size, "content": "<e1>"}, {"id": size + 1, "content": "的中国"}]
    tokenizer = AlbertTokenizer(vocabulary, added_tokens=added)
    text = "the<e1>的中国film"
    tokens = tokenizer.tokenize_with_offsets(text)
    assert tokens.pieces == ["the", "<e1>", "的中国", "film"]
    assert [text[a:b] for a, b in zip(tokens.starts, tokens.ends)] == tokens.pieces
    assert tokenizer.encode(text)[1:3] == [size, size + 1]


def test_time_is_linear_in_the_length_of_the_text(vocabulary):
    """A million combining marks, or a word of a million letters, takes seconds, not hours."""
    tokenizer = AlbertTokenizer(vocabulary)
    assert tokenizer.tokenize("a" + "\u0301\u0323" * 500_000) == ["a"]
    assert tokenizer.tokenize("a" * 1_000_000) == ["[UNK]"]


def test_the_tables_are_those_of_unicode_14():
    tables = wordpiece_rules.tables_of_this_python()
    import sys
    import unicodedata

    if unicodedata.unidata_version != "14.0.0":
        pytest.skip(f"Python {sys.version_info[:2]} has Unicode {unicodedata.unidata_version}")
    assert tables["MARKS"] == " ".join(wordpiece_rules.MARKS.split())
    removed = wordpiece_rules.REMOVED.replace(" FFFD", "")
    assert tables["REMOVED"] == " ".join(removed.split())
    ours = set(" ".join(wordpiece_rules.PUNCTUATION.split()).split())
    # The only others are newer; ranges that touch them are longer.
    assert len(set(tables["PUNCTUATION"].split()) - ours) <= 2
