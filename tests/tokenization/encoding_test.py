import pickle

import pytest

from albert_tf.errors import InputError

TEXTS, PAIRS = ["A fine (day)", "x"], ["1,000, is it?", "the other one"]


@pytest.fixture(scope="module")
def encoding(tokenizer):
    return tokenizer(TEXTS, PAIRS, padding_side="left", return_offsets_mapping=True)


def test_look_ups_agree_with_the_offsets_of_each_text(tokenizer, encoding):
    for row, texts in enumerate(zip(TEXTS, PAIRS)):
        spans = tokenizer.tokenize_batch_with_offsets(texts)
        begin = encoding["input_mask"][row].tolist().index(1)
        assert encoding.sequence_ids(row)[: begin + 1] == [None] * (begin + 1)
        first = begin + 1
        for segment, (text, tokens) in enumerate(zip(texts, spans)):
            columns = range(first, first + len(tokens.ids))
            first = columns.stop + 1
            assert [encoding.token_to_sequence(row, i) for i in columns] == [segment] * len(columns)
            assert [encoding.token_to_word(row, i) for i in columns] == tokens.words
            assert [encoding.tokens(row)[i] for i in columns] == tokens.pieces
            places = list(zip(tokens.starts, tokens.ends))
            assert [encoding.token_to_chars(row, i) for i in columns] == places
            for index, character in enumerate(text):
                own = [c for c, (a, b) in zip(columns, places) if a <= index < b]
                assert encoding.char_to_token(row, index, segment) == (own[0] if own else None)
                word = len(text[: index + 1].split()) - 1
                expected = None if character == " " else word
                assert encoding.char_to_word(row, index, segment) == expected
            for word, shown in enumerate(text.split()):
                place = encoding.word_to_chars(row, word, segment)
                assert text[place.start : place.end] == shown
                own = [c for c, w in zip(columns, tokens.words) if w == word]
                assert encoding.word_to_tokens(row, word, segment) == (own[0], own[-1] + 1)
            assert encoding.word_to_tokens(row, 99, segment) is None
            assert encoding.word_to_chars(row, 99, segment) is None
        assert encoding.token_to_chars(row, begin) is None
    assert encoding.n_sequences == 2


def test_one_index_means_the_first_row(encoding):
    assert encoding.char_to_token(2) == encoding.char_to_token(0, 2) is not None
    assert encoding.token_to_word(-2) == encoding.token_to_word(0, -2) is not None


def test_a_pickled_encoding_has_its_look_ups(encoding):
    copy = pickle.loads(pickle.dumps(encoding))
    assert copy.word_ids(1) == encoding.word_ids(1)
    assert copy.keys() == encoding.keys()


def test_a_look_up_says_what_it_needs(tokenizer, encoding):
    plain = tokenizer(TEXTS)
    ids = tokenizer.encode(TEXTS[0])
    assert plain.sequence_ids(0) == [None, *[0] * len(ids), None]
    with pytest.raises(InputError, match="needs the words of tokens.* is_split_into_words=True or"):
        plain.word_ids()
    with pytest.raises(InputError, match="needs the ends of.* with return_offsets_mapping=True"):
        plain.char_to_token(1)
    with pytest.raises(InputError, match="index of a row must be less.* Received 2 for 2"):
        encoding.word_ids(2)
    with pytest.raises(InputError, match="index of a token must be less.* Received 99 for"):
        encoding.token_to_chars(0, 99)


def test_models_and_loaded_modules_take_an_encoding(tokenizer, tmp_path):
    import numpy as np
    import tensorflow as tf

    from albert_tf.modeling.encoder import AlbertEncoder

    encoder = AlbertEncoder(
        vocab_size=1000,
        embedding_width=6,
        hidden_size=8,
        num_layers=2,
        num_attention_heads=2,
        intermediate_size=10,
        max_sequence_length=40,
    )
    options = dict(return_special_tokens_mask=True, return_offsets_mapping=True)
    encoding = tokenizer(TEXTS, PAIRS, **options)
    names = ("input_word_ids", "input_mask", "input_type_ids")
    expected = encoder({name: encoding[name] for name in names})["sequence_output"]
    tensors = tokenizer(TEXTS, PAIRS, return_tensors="tf", **options)
    assert all(tf.is_tensor(value) and value.dtype == tf.int32 for value in tensors.values())
    function = tf.function(lambda inputs: encoder(inputs)["sequence_output"])
    mapped = tf.data.Dataset.from_tensors(tensors).map(function)
    for outputs in (encoder(encoding)["sequence_output"], function(tensors), *mapped):
        np.testing.assert_allclose(outputs, expected, atol=1e-6)

    module = tf.Module()
    module.encoder = encoder
    module.call = tf.function(
        lambda inputs: encoder(inputs)["sequence_output"],
        input_signature=[{name: tf.TensorSpec([None, None], tf.int32, name) for name in names}],
    )
    tf.saved_model.save(module, str(tmp_path / "saved"))
    plain = tokenizer(TEXTS, PAIRS, return_tensors="tf")
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(loaded.call(plain), expected, atol=1e-6)

    # Padding on the left moves the positions, as in transformers, unless they are given; and the
    # pooled output is that of the first position.
    left = tokenizer(TEXTS, PAIRS, padding_side="left")
    assert left["input_mask"].min() == 0
    places = np.maximum(np.cumsum(left["input_mask"], 1) - 1, 0)
    moved = encoder(left)["sequence_output"].numpy()
    given = encoder({**left, "position_ids": places})["sequence_output"].numpy()
    real = encoding["input_mask"] == 1
    right = expected.numpy()[real]
    np.testing.assert_allclose(given[left["input_mask"] == 1], right, atol=1e-6)
    assert np.abs(moved[left["input_mask"] == 1] - right).max() > 1e-3
