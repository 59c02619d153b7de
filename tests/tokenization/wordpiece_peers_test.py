"""Compares WordPiece with transformers' BertTokenizer, which runs in Rust."""

import json
import unicodedata

import pytest

from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support import wordpiece

transformers = pytest.importorskip("transformers")

SETTINGS = [
    {},
    {"do_lower_case": False},
    {"strip_accents": False},
    {"tokenize_chinese_chars": False},
]


def is_common(text):
    """Whether both libraries have the same tables for a text.

    Rust lowers every sigma alike, removes private characters, and has an older version of Unicode.
    """
    old = unicodedata.ucd_3_2_0
    # U+166D was punctuation in older versions.
    return not {"Σ", "\u166d"} & set(text) and not any(
        old.category(c) in ("Co", "Cn", "Cf") for c in text
    )


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_ids_equal_those_of_transformers(tmp_path, settings):
    wordpiece.write(tmp_path)
    config = {"tokenizer_class": "BertTokenizer", **settings}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    theirs = transformers.BertTokenizer.from_pretrained(str(tmp_path))
    ours = AlbertTokenizer.from_pretrained(tmp_path)
    texts = [text for text in wordpiece.texts(10_000) if is_common(text)]
    texts += ["the [MASK] film[SEP]", "a" * 100, "a" * 101, "don't 中国", ""]
    assert len(texts) > 5000
    expected = theirs(texts, add_special_tokens=False)["input_ids"]
    assert ours.encode_batch(texts) == expected


def test_a_folder_that_transformers_wrote_is_read(tmp_path):
    """transformers 5 writes a tokenizer.json, and no vocab.txt."""
    wordpiece.write(tmp_path)
    theirs = transformers.BertTokenizer.from_pretrained(str(tmp_path), do_lower_case=False)
    theirs.add_tokens(["<e1>"])
    theirs.save_pretrained(str(tmp_path / "saved"))
    (tmp_path / "saved/vocab.txt").unlink(missing_ok=True)
    ours = AlbertTokenizer.from_pretrained(tmp_path / "saved")
    assert ours.preprocessing.lower_case is False
    texts = ["É film", "The<e1> data[MASK]", "中国 good"]
    expected = theirs(texts, add_special_tokens=False)["input_ids"]
    assert ours.encode_batch(texts) == expected
