"""Calls of a tokenizer; the same options are compared with transformers in peers_test.py."""

import json
import pickle
import warnings

import numpy as np
import pytest

from albert_tf.errors import InputError
from albert_tf.tokenization.tokenizer import AlbertTokenizer

TEXTS = ["a fine day, really", "x", "the second one is longer than the first"]
NAMES = ["input_word_ids", "input_mask", "input_type_ids"]


def test_the_default_is_a_plain_mapping_of_three_arrays(tokenizer):
    result = tokenizer(TEXTS)
    assert isinstance(result, dict) and list(result) == NAMES
    rows = [[2, *ids, 3] for ids in tokenizer.encode_batch(TEXTS)]
    assert [row[row > 0].tolist() for row in result["input_word_ids"]] == rows
    assert tokenizer([])["input_word_ids"].shape == (0, 0)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_is_on_either_side(side, tokenizer):
    ids = tokenizer.encode("a b")
    result = tokenizer(
        ["a b", TEXTS[2]],
        ["x", "x"],
        padding_side=side,
        return_special_tokens_mask=True,
        pad_to_multiple_of=8,
    )
    other = tokenizer.encode("x")
    row, types = [2, *ids, 3, *other, 3], [0] * (len(ids) + 2) + [1] * (len(other) + 1)
    special = [1, *[0] * len(ids), 1, *[0] * len(other), 1]
    width = result["input_word_ids"].shape[1]
    assert width % 8 == 0 and width - 8 < (result["input_mask"][1] == 1).sum() <= width
    padding = [0] * (width - len(row))
    for name, values, pad in (
        ("input_word_ids", row, padding),
        ("input_mask", [1] * len(row), padding),
        ("input_type_ids", types, padding),
        ("special_tokens_mask", special, [1] * len(padding)),
    ):
        assert result[name][0].tolist() == (pad + values if side == "left" else values + pad), name
        assert result[name].dtype == np.int32
    tokenizer_of_side = pickle.loads(pickle.dumps(tokenizer))
    tokenizer_of_side.padding_side = side
    np.testing.assert_array_equal(
        tokenizer_of_side("a b", max_length=9, padding="max_length")["input_mask"],
        tokenizer("a b", max_length=9, padding="max_length", padding_side=side)["input_mask"],
    )


def test_texts_are_cut_on_either_side(tokenizer):
    ids = tokenizer.encode(TEXTS[2])
    left, right = (
        tokenizer(TEXTS[2], max_length=6, truncation_side=side)["input_word_ids"][0].tolist()
        for side in ("left", "right")
    )
    assert left == [2, *ids[-4:], 3] and right == [2, *ids[:4], 3]


def test_a_length_can_pad_without_cutting(tokenizer):
    whole = tokenizer(TEXTS[2])["input_word_ids"]
    options = dict(padding="max_length", truncation="do_not_truncate")
    np.testing.assert_array_equal(
        tokenizer(TEXTS[2], max_length=5, **options)["input_word_ids"], whole
    )
    wide = tokenizer(TEXTS[2], max_length=64, **options)["input_word_ids"]
    np.testing.assert_array_equal(wide[:, : whole.shape[1]], whole)
    assert wide.shape == (1, 64) and not wide[:, whole.shape[1] :].any()


def test_true_and_false_have_the_meaning_of_transformers(tokenizer):
    limited = AlbertTokenizer(tokenizer.model_file, model_max_length=7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cut = limited(TEXTS, truncation=True, padding=True)
        padded = limited("x", padding="max_length")
    np.testing.assert_array_equal(
        cut["input_word_ids"], limited(TEXTS, max_length=7)["input_word_ids"]
    )
    assert padded["input_word_ids"].shape == (1, 7)
    whole = tokenizer(TEXTS, truncation=False)["input_word_ids"]
    np.testing.assert_array_equal(whole, tokenizer(TEXTS)["input_word_ids"])


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_rest_of_a_long_text_follows_in_rows_that_overlap(side, tokenizer):
    texts = [TEXTS[1], TEXTS[2], TEXTS[0]]
    result = tokenizer(
        texts,
        max_length=8,
        stride=2,
        return_overflowing_tokens=True,
        truncation_side=side,
        return_offsets_mapping=True,
    )
    samples = result["overflow_to_sample_mapping"]
    assert samples.tolist() == sorted(samples.tolist()) and {*samples.tolist()} == {0, 1, 2}
    for sample, text in enumerate(texts):
        ids = tokenizer.encode(text)
        step = -1 if side == "left" else 1
        rows = result["input_word_ids"][samples == sample]
        parts = [row[(row != 0) & (row != 2) & (row != 3)].tolist()[::step] for row in rows]
        joined = parts[0]
        for before, part in zip(parts, parts[1:]):
            assert before[-2:] == part[:2] and len(before) == 6
            joined = joined + part[2:]
        assert joined == ids[::step]
    for row, text in ((row, texts[sample]) for row, sample in enumerate(samples)):
        for piece, (start, end) in zip(result.tokens(row), result["offset_mapping"][row]):
            assert piece is None or text[start:end] == piece.replace("▁", "")


def test_one_text_of_a_pair_overflows(tokenizer):
    pair = dict(texts=["who"], text_pairs=[TEXTS[2]], max_length=12, truncation="only_second")
    result = tokenizer(**pair, return_overflowing_tokens=True)
    first, second = tokenizer.encode("who"), tokenizer.encode(TEXTS[2])
    size = 12 - 3 - len(first)
    assert len(second) > size > 0
    for row, begin in zip(result["input_word_ids"], range(0, len(second), size), strict=True):
        own = [2, *first, 3, *second[begin : begin + size], 3]
        assert row.tolist() == own + [0] * (12 - len(own))


def test_words_are_tokenized_one_by_one(tokenizer):
    words = [["1,", "000", "", "Fine day"], ["x"]]
    result = tokenizer(words, is_split_into_words=True, return_offsets_mapping=True)
    ids = [tokenizer.encode(word) for word in words[0]]
    assert result["input_word_ids"][0].tolist() == [2, *sum(ids, []), 3]
    indices = [i for i, own in enumerate(ids) for _ in own]
    assert result.word_ids(0) == [None, *indices, None]
    for piece, word, (start, end) in zip(
        result.tokens(0)[1:-1], indices, result["offset_mapping"][0][1:-1]
    ):
        assert words[0][word][start:end].lower() == piece.replace("▁", "")
    assert tokenizer(words[0], is_split_into_words=True).word_ids() == result.word_ids(0)
    with pytest.raises(InputError, match="must be a list of words. Received 'a b' at index 1"):
        tokenizer([["x"], "a b"], is_split_into_words=True)
    with pytest.raises(InputError, match="must be a list of words. Received 'a b' at index 0"):
        tokenizer("a b", is_split_into_words=True)


def test_a_row_longer_than_the_model_is_a_warning_once(tokenizer):
    limited = AlbertTokenizer(tokenizer.model_file, model_max_length=9)
    with pytest.warns(UserWarning, match=r"Received \d\d tokens for model_max_length=9\. Set max"):
        limited(TEXTS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        limited(TEXTS)
        tokenizer(TEXTS)


def test_the_length_of_the_model_is_read_from_the_files_beside_it(tokenizer, tmp_path):
    copy = tmp_path / "m.model"
    copy.write_bytes(tokenizer.model_file.read_bytes())
    assert AlbertTokenizer(copy).model_max_length is None
    (tmp_path / "albert_config.json").write_text('{"max_position_embeddings": 40}')
    assert AlbertTokenizer(copy).model_max_length == 40
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": 24}')
    assert AlbertTokenizer(copy).model_max_length == 24
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 10**30}))
    assert AlbertTokenizer(copy).model_max_length == 40
    assert AlbertTokenizer(copy, model_max_length=6).model_max_length == 6
    with pytest.raises(InputError, match="2 special tokens. Received seq_length='6'"):
        AlbertTokenizer(copy, model_max_length="6")


def test_special_tokens_are_added_to_ids(tokenizer):
    a, b = [7, 8], [9]
    assert tokenizer.build_inputs_with_special_tokens(a) == [2, 7, 8, 3]
    assert tokenizer.build_inputs_with_special_tokens(a, b) == [2, 7, 8, 3, 9, 3]
    assert tokenizer.create_token_type_ids_from_sequences(a, b) == [0, 0, 0, 0, 1, 1]
    assert tokenizer.num_special_tokens_to_add() == 2
    assert tokenizer.num_special_tokens_to_add(pair=True) == 3


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(return_tensors="pt"), "return_tensors must be 'np' or 'tf'. Received 'pt'"),
        (dict(truncation="longest"), "Received 'longest'. Closest: longest_first"),
        (dict(padding=False), "padding must be one of its options. Received False"),
        (dict(padding_side="Left"), "Received 'Left'. Closest: left"),
        (dict(truncation_side="end"), "truncation_side must be.* Received 'end'"),
        (dict(pad_to_multiple_of=0), "must be a whole number from 1, or None. Received 0"),
        (dict(pad_to_multiple_of=2.5), "must be a whole number from 1, or None. Received 2.5"),
        (dict(max_length=9, pad_to_multiple_of=8), "multiple of .* Received 9 and 8"),
        (dict(max_length=9, truncation=False), "max_length must have an effect. Received max_len"),
        (dict(stride=2), "stride needs return_overflowing_tokens. Received stride=2"),
        (dict(stride=-1), "stride must be a whole number from 0. Received -1"),
        (
            dict(max_length=8, stride=6, return_overflowing_tokens=True),
            "Received stride=6 with room for 6. Lower stride",
        ),
        (dict(return_overflowing_tokens=True), "needs a length .* Received max_length=None"),
        (
            dict(max_length=9, return_overflowing_tokens=True, text_pairs=TEXTS),
            "overflow of a pair .* Received truncation='longest_first'. Use 'only_first' or",
        ),
        (
            dict(
                max_length=9,
                return_overflowing_tokens=True,
                text_pairs=["x y z"] * 3,
                truncation="only_first",
                stride=4,
            ),
            "Received stride=4 with room for [0-4]. Lower stride",
        ),
        (
            dict(nbest_size=4),
            "enable_sampling=True. Received enable_sampling=False with nbest_size",
        ),
        (dict(alpha=0.1), "enable_sampling=True. Received enable_sampling=False with alpha"),
        (dict(enable_sampling=1), "Received enable_sampling=1 with nothing else"),
        (dict(enable_sampling=True), "needs a generator .* Received generator=None. Pass np.ran"),
        (dict(text_pair=TEXTS), "Received 'text_pair'. Use text_pairs"),
        (dict(add_special_tokens=False), "Received 'add_special_tokens'. Use encode_batch"),
        (dict(return_length=True), "Received 'return_length'. Use the sums of 'input_mask'"),
        (dict(max_len=3), "Received 'max_len'. Closest: max_length"),
    ],
)
def test_invalid_and_contradictory_options_are_errors(options, message, tokenizer):
    with pytest.raises(InputError, match=message):
        tokenizer(TEXTS, **options)


def test_other_names_of_transformers_are_explained(tokenizer):
    for name, instead in (
        ("add_tokens", "with_added_tokens"),
        ("convert_tokens_to_ids", "pieces_to_ids"),
        ("save_pretrained", "save"),
    ):
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'. Use {instead}"):
            getattr(tokenizer, name)
    assert not hasattr(tokenizer, "no_such_name")
