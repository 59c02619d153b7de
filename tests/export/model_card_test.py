from albert_tf.version import __version__


def test_the_card_of_an_encoder_lists_its_sizes(exports):
    card = (exports / "encoder/README.md").read_text()
    assert f"written by albert_tf {__version__}." in card
    assert "| hidden size, attention heads | 32, 4 |" in card
    assert "| maximum sequence length | 40 |" in card
    assert "| parameters | encoder 14,048, masked_lm 760, sentence_order 66 |" in card
    assert 'lower-cased, accents removed, rules "original"' in card
    assert "`mlm`, `serving_default`, `sop`, `tokenization_info`, `tokens`" in card


def test_the_card_of_a_preprocessor_lists_length_and_vocabulary(exports):
    card = (exports / "preprocessor/README.md").read_text()
    assert "| vocabulary size | 200 |" in card
    assert "| sequence length | 18 |" in card
