import pytest

from albert_tf.tokenization import digit_comma


@pytest.mark.parametrize(
    "piece, expected", [("1,", True), ("▁10,", True), (",", False), ("a,", False), ("1", False)]
)
def test_applies(piece, expected):
    assert digit_comma.applies(piece) is expected


def test_the_original_keeps_the_space_that_encoding_again_adds(tokenizer):
    split = digit_comma.split(tokenizer.processor, "1,", "original")
    assert split == ["▁", "1", ","]


def test_hugging_face_strips_it_where_the_piece_had_none(tokenizer):
    assert digit_comma.split(tokenizer.processor, "1,", "hugging_face") == ["1", ","]
    assert digit_comma.split(tokenizer.processor, "▁1,", "hugging_face") == ["▁", "1", ","]


def test_table_has_every_piece_and_the_lengths_that_stand_in_the_text(tokenizer):
    table = digit_comma.table(tokenizer.processor, "original")
    assert {tokenizer.pieces[i] for i in table} == set(
        filter(digit_comma.applies, tokenizer.pieces)
    )
    assert len(table) > 5
    assert table[tokenizer.pieces_to_ids(["1,"])[0]] == [("▁", 0), ("1", 1), (",", 1)]
