import numpy as np

from albert_tf.tokenization.word_starts import word_starts


def test_word_starts_depend_on_the_script():
    pieces = {
        "<pad>": True,  # Special, according to its id.
        "▁haus": True,
        "tür": False,
        "ß": False,
        "ğ": False,
        "日": True,
        "ひら": True,
        "カナ": True,
        "ไทย": True,
        "▁كتاب": True,
        "ها": False,
        "-": True,
        "€": True,
        "--": False,
        "7": False,
        "한": False,
    }
    flags = word_starts(list(pieces), [0])
    assert flags.dtype == np.bool_
    assert dict(zip(pieces, flags.tolist())) == pieces


def test_word_starts_of_a_tokenizer(tokenizer):
    assert tokenizer.word_starts.shape == (1000,)
    assert tokenizer.word_starts[:5].all()
    words = [tokenizer.word_starts[i] for i in tokenizer.encode("unbelievable words")]
    assert words.count(True) == 2
