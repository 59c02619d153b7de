import threading

import numpy as np
import pytest
import sentencepiece

from albert_tf.errors import InputError
from albert_tf.tokenization.segmentation import Sampling

TEXTS = ["international organisations, 1,000, of them", "unbelievable (really) [MASK] day"] * 9


@pytest.fixture(params=["orig_lower", "hf4_slow_lower"])
def sampled(request, tokenizers):
    tokenizer = tokenizers[request.param]

    def call(seed, **options):
        generator = np.random.default_rng(seed)
        return tokenizer(TEXTS, enable_sampling=True, generator=generator, **options)

    return call, tokenizer


@pytest.mark.parametrize("options", [{}, dict(nbest_size=8, alpha=0.3)])
def test_the_same_seed_gives_the_same_ids(sampled, options):
    call, tokenizer = sampled
    first = call(3, **options)["input_word_ids"]
    sentencepiece.set_random_generator_seed(77)  # What others sample makes no difference.
    tokenizer.processor.encode("another text", enable_sampling=True, alpha=0.1, nbest_size=-1)
    np.testing.assert_array_equal(call(3, **options)["input_word_ids"], first)
    found = []
    thread = threading.Thread(target=lambda: found.append(call(3, **options)["input_word_ids"]))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(found[0], first)
    assert call(4, **options)["input_word_ids"].tolist() != first.tolist()
    assert {tuple(row) for row in first[::2].tolist()} != {tuple(first[0].tolist())}


def test_one_generator_gives_other_ids_in_each_call(tokenizer):
    generator = np.random.default_rng(3)
    rows = [tokenizer.encode_batch(TEXTS, sampling=Sampling(generator)) for _ in range(2)]
    assert rows[0] != rows[1]


def test_sampled_tokens_have_offsets_and_spell_the_text(sampled):
    call, tokenizer = sampled
    with_offsets = call(5, return_offsets_mapping=True)
    np.testing.assert_array_equal(with_offsets["input_word_ids"], call(5)["input_word_ids"])
    likeliest = tokenizer(TEXTS)["input_word_ids"]
    assert (
        with_offsets["input_word_ids"].shape != likeliest.shape
        or (with_offsets["input_word_ids"] != likeliest).any()
    )
    for row, text in enumerate(TEXTS):
        # The digit-comma rule may add a "▁" to the pieces that it encodes again.
        decoded, whole = map(
            tokenizer.decode, (with_offsets["input_word_ids"][row], tokenizer.encode(text))
        )
        assert decoded.replace(" ", "") == whole.replace(" ", "")
        places = with_offsets["offset_mapping"][row]
        for piece, (start, end) in zip(with_offsets.tokens(row), places):
            assert piece is None or text[start:end].lower() == piece.replace("▁", "").lower()


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(generator=3), "needs a generator of random numbers. Received generator=3"),
        (dict(alpha=-0.1), "alpha must be a number from 0. Received -0.1"),
        (dict(alpha=float("nan")), "alpha must be a number from 0. Received nan"),
        (dict(nbest_size=1), "nbest_size must be 2 to 512, or -1 for all. Received 1"),
        (dict(nbest_size=513), "nbest_size must be 2 to 512, or -1 for all. Received 513"),
        (dict(nbest_size=2.0), "nbest_size must be 2 to 512, or -1 for all. Received 2.0"),
    ],
)
def test_invalid_samplings_are_errors(options, message, tokenizer):
    options = {"generator": np.random.default_rng(0), **options}
    with pytest.raises(InputError, match=message):
        tokenizer("a", enable_sampling=True, **options)
