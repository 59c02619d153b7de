import numpy as np

from albert_tf.pretraining.masking.mask_units import unit_starts


def starts(*pieces):
    words = np.array([piece.startswith("▁") for piece in pieces])
    return unit_starts(pieces, words).tolist()


def test_letters_of_any_script_continue_a_word():
    german = ["▁grö", "ß", "te", "▁haus", "tür"]
    assert starts(*german) == [True, False, False, True, False]
    turkish = ["▁ev", "ler", "imiz", "▁ışı", "ğı"]
    assert starts(*turkish) == [True, False, False, True, False]
    arabic = ["▁ال", "كتا", "ب"]
    assert starts(*arabic) == [True, False, False]


def test_digits_and_other_signs_begin_a_unit():
    assert starts("▁in", "1995", "s", "0,", "→") == [True, True, False, True, True]


def test_listed_signs_continue_a_unit_in_longer_pieces():
    assert starts("▁x", "),", "e.g", "'t") == [True, False, False, True]


def test_word_starts_of_the_tokenizer_begin_a_unit():
    words = np.array([True, False, True])  # As in a script without spaces.
    assert unit_starts(["▁日", "本", "語"], words).tolist() == [True, False, True]
