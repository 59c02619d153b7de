"""The vocabulary of the released models, if it is on this machine, with the original's ids."""

import json

import pytest

from albert_tf.tokenization.graph.tokenizer import GraphTokenizer
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support.paths import ROOT

FOLDER = ROOT.parent / "shared" / "released_vocabulary"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="needs the released vocabulary")


@pytest.mark.parametrize("name", ["lower", "cased"])
def test_ids_are_those_of_the_original_in_both_runtimes(name):
    lines = (FOLDER / "cases.jsonl").read_text().splitlines()
    cases = [json.loads(line) for line in lines]
    assert len(cases) == 400
    tokenizer = AlbertTokenizer(
        FOLDER / "spiece.model", lower_case=name == "lower", rules="original"
    )
    texts, expected = [case["text"] for case in cases], [case[name] for case in cases]
    assert tokenizer.encode_batch(texts) == expected
    assert [tokenizer.encode(text) for text in texts] == expected
    assert [spans.ids for spans in tokenizer.tokenize_batch_with_offsets(texts)] == expected
    assert GraphTokenizer(tokenizer).tokenize(texts).to_list() == expected


def test_ids_are_those_in_the_tests_of_transformers():
    tokenizer = AlbertTokenizer(FOLDER / "spiece.model")
    texts = [
        "BERT is designed to pre-train deep bidirectional representations from unlabeled text by "
        "jointly conditioning on both left and right context in all layers.",
        "The quick brown fox jumps over the lazy dog.",
    ]
    first = [2, 11502, 25, 1006, 20, 782, 8, 11809, 855, 1732, 19393, 18667, 37, 367, 21018, 69]
    first += [1854, 34, 11860, 19124, 27, 156, 225, 17, 193, 4141, 19, 65, 9124, 9, 3]
    second = [2, 14, 2231, 886, 2385, 17659, 84, 14, 16792, 1952, 9, 3]
    assert tokenizer(texts)["input_word_ids"].tolist() == [first, second + [0] * 19]
    with_accents = AlbertTokenizer(FOLDER / "spiece.model", keep_accents=True)
    assert with_accents.encode("This is a test") == [48, 25, 21, 1289]
    pieces = with_accents.tokenize("I was born in 92000, and this is falsé.")
    assert " ".join(pieces) == "▁i ▁was ▁born ▁in ▁9 2000 , ▁and ▁this ▁is ▁fal s é ."
    ids = [31, 23, 386, 19, 561, 3050, 15, 17, 48, 25, 8256, 18, 1, 9]
    assert with_accents.pieces_to_ids(pieces) == ids
    vocabulary = list(tokenizer.get_vocab())
    assert (vocabulary[0], vocabulary[-1], len(vocabulary)) == ("<pad>", "▁eloquent", 30_000)
