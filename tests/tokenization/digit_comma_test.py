import pytest

from albert_tf.tokenization import digit_comma


@pytest.mark.parametrize(
    "piece, expected", [("1,", True), ("▁10,", True), (",", False), ("a,", False), ("1", False)]
)
def test_rule_applies_to_a_digit_followed_by_a_comma(piece, expected):
    assert digit_comma.applies(piece) is expected


def test_original_rules_keep_the_added_space(tokenizer):
    split = digit_comma.split(tokenizer.processor, "1,", "original")
    assert split == ["▁", "1", ","]


def test_hugging_face_rules_strip_the_added_space_if_the_piece_had_none(tokenizer):
    assert digit_comma.split(tokenizer.processor, "1,", "hugging_face") == ["1", ","]
    assert digit_comma.split(tokenizer.processor, "▁1,", "hugging_face") == ["▁", "1", ","]


def test_table_lists_every_split_piece_with_the_lengths_of_its_parts(tokenizer):
    table = digit_comma.table(tokenizer.processor, "original")
    assert {tokenizer.pieces[i] for i in table} == set(
        filter(digit_comma.applies, tokenizer.pieces)
    )
    assert len(table) > 5
    assert table[tokenizer.pieces_to_ids(["1,"])[0]] == [
        (13, "▁", 0),
        (tokenizer.processor.piece_to_id("1"), "1", 1),
        (tokenizer.processor.piece_to_id(","), ",", 1),
    ]
