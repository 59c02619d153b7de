import sentencepiece

from albert_tf.tokenization import model_proto


def read(proto):
    return sentencepiece.SentencePieceProcessor(model_proto=proto)


def test_added_pieces_come_last_and_change_nothing_else(tokenizer):
    more = read(model_proto.with_pieces(tokenizer.model_proto, [(b"zebra", -0.5), (b"\n", -2.0)]))
    size = tokenizer.vocab_size
    assert more.get_piece_size() == size + 2
    assert more.id_to_piece(list(range(size))) == tokenizer.pieces
    assert (more.id_to_piece(size), more.get_score(size)) == ("zebra", -0.5)
    assert more.encode("a zebra") == [*tokenizer.processor.encode("a "), 13, size]


def test_a_byte_model_normalises_as_before_and_makes_each_byte_a_token(tokenizer):
    processor = read(model_proto.of_bytes(tokenizer.model_proto))
    text = " ½ é日\u200b a"
    normal = tokenizer.processor.normalize(text)
    assert processor.normalize(text) == normal == "▁1⁄2▁é日▁a"
    expected = ["a" if code == ord("a") else f"<0x{code:02X}>" for code in normal.encode()]
    assert processor.encode(text, out_type=str) == expected
