import random
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from albert_tf.tokenization.normalization import align, normalize
from albert_tf.tokenization.settings import Preprocessing

# Without NFKD, SentencePiece decomposes characters such as ½ and assigns them to one of the pieces.
NOT_DECOMPOSED = Preprocessing(keep_accents=True, rules="hugging_face")

ODD = st.sampled_from(
    " \t\u00a0\u200b\u200d`'´ÉéİΣ\u0301\u0323\u0345q½ﬁ한में1,0,000,(-[MASK]\x00\x07\ufeff"
)


def shown(piece):
    """The part of a piece that occurs in the text; both lower-case forms of sigma count as one."""
    return piece.replace("▁", "").replace("ς", "σ")


def check(tokenizer, text):
    """Checks that each token is within the text and that its span normalises to its piece."""
    spans = tokenizer.tokenize_with_offsets(text)
    assert spans.ids == tokenizer.encode(text)
    assert spans.pieces == tokenizer.tokenize(text)
    if tokenizer.preprocessing == NOT_DECOMPOSED and text != unicodedata.normalize("NFKC", text):
        return
    special = {"[MASK]", "[CLS]", "[SEP]", "<pad>", "<unk>"}
    for piece, start, end in zip(spans.pieces, spans.starts, spans.ends):
        assert 0 <= start <= end <= len(text)
        part = text[start:end]
        if piece in special and part.lower() == piece.lower():
            continue
        part_text = normalize(part, tokenizer.preprocessing)
        from_text = shown(tokenizer.processor.normalize(part_text))
        # A character that becomes several, such as ½, belongs to each token with a part of it.
        exact = all(len(normalize(c, tokenizer.preprocessing)) <= 1 for c in part)
        if exact and not tokenizer.preprocessing.keep_accents:
            assert from_text == shown(piece), (text, piece)
        assert shown(piece) in from_text, (text, piece, part)


def test_offsets_of_golden_cases(setting, cases, tokenizers):
    for case in cases:
        check(tokenizers[setting], case["text"])


@pytest.mark.parametrize("name", ["orig_lower", "orig_cased_casedmodel", "hf4_slow_lower"])
def test_offsets_of_random_text(name, tokenizers):
    @settings(derandomize=True, max_examples=400)
    @given(st.text(st.one_of(ODD, st.characters(exclude_categories=("Cs",)))))
    def run(text):
        check(tokenizers[name], text)

    run()


def test_a_batch_gives_the_offsets_of_single_texts(setting, cases, tokenizers):
    texts = [case["text"] for case in cases]
    tokenizer = tokenizers[setting]
    spans = tokenizer.tokenize_batch_with_offsets(texts)
    assert spans == [tokenizer.tokenize_with_offsets(text) for text in texts]
    assert [tokens.ids for tokens in spans] == tokenizer.encode_batch(texts)


def test_the_texts_of_unknown_tokens_are_those_that_sentencepiece_reports(setting, tokenizers):
    tokenizer = tokenizers[setting]
    rng = random.Random(3)
    texts = [
        "".join(rng.choices("_~☃中日 aé한1,(\u200b①", k=rng.randrange(1, 9))) for _ in range(2000)
    ]
    found = 0
    for text, spans in zip(texts, tokenizer.tokenize_batch_with_offsets(texts)):
        normalized = normalize(text, tokenizer.preprocessing)
        proto = tokenizer.processor.encode(normalized, out_type="proto")
        reported = [piece.piece for piece in proto.pieces if piece.id == tokenizer.unk_id]
        unknown = [p for i, p in zip(spans.ids, spans.pieces) if i == tokenizer.unk_id]
        assert unknown == reported, text
        found += len(unknown)
    assert found > 1000


@pytest.mark.parametrize(
    "text, sources",
    [
        ("ﬁ\u0301", ["ﬁ\u0301", "ﬁ\u0301"]),  # Both letters have the mark.
        ("½\u0323", ["½\u0323"] * 3),
        ("a\u0301\u0323b", ["a\u0301\u0323", "b"]),
        ("Ａ\u0308ｂ", ["Ａ\u0308", "ｂ"]),
        ("ｶﾞ", ["ｶﾞ"]),  # The second is a mark after normalisation only.
        ("x \u0301y", ["x", " ", "y"]),  # A mark after a space belongs to no letter.
    ],
)
def test_the_source_of_a_character_includes_its_marks(text, sources):
    aligned = align(text, Preprocessing())
    spans = list(zip(aligned.starts, aligned.ends))
    assert [text[start:end] for start, end in spans] == sources


def test_the_words_of_tokens_are_those_of_split(tokenizer):
    for text in ("a b, (c-d) 1,000, e", "\ta  b\u00a0c", "x´y z", "½ ﬁ q\u0301 w", "日本 語"):
        spans = tokenizer.tokenize_with_offsets(text)
        for start, end, word in zip(spans.starts, spans.ends, spans.words):
            assert text[start:end].strip() in text.split()[word], text


def test_offsets_count_characters(tokenizer):
    text = "  Wo\u0301\tis 1,000,"
    spans = tokenizer.tokenize_with_offsets(text)
    assert spans.pieces == ["▁", "w", "o", "▁is", "▁", "▁", "1", ",", "000", ","]
    assert spans.starts == [2, 2, 3, 6, 9, 9, 9, 10, 11, 14]
    assert spans.ends == [2, 3, 5, 8, 9, 9, 10, 11, 14, 15]
    assert spans.words == [0, 0, 0, 1, 2, 2, 2, 2, 2, 2]


def test_special_text_counts_as_one_token_under_hugging_face_rules(tokenizers):
    spans = tokenizers["hf4_slow_lower"].tokenize_with_offsets("é [MASK]<UNK> b")
    assert spans.pieces[2:4] == ["[MASK]", "<unk>"]
    assert spans.starts[2:4] == [2, 8]
    assert spans.ends[2:4] == [8, 13]
    assert spans.words[:4] == [0, 0, 1, 1]


def test_blank_text_has_no_tokens(tokenizer):
    assert tokenizer.tokenize_with_offsets(" \t ") == ([], [], [], [], [])


@pytest.mark.parametrize("unit", ["\ufdfa", "½ ", "\u0301\u0316", "1,", "\u200b日"])
def test_time_is_linear_in_the_length_of_the_text(unit, tokenizer):
    one, many = (tokenizer.tokenize_with_offsets(f"{unit * count} end") for count in (1, 20_000))
    assert many.pieces[-1] == one.pieces[-1] and many.ends[-1] == 20_000 * len(unit) + 4

    def seconds(count):
        start = time.process_time()
        tokenizer.tokenize_with_offsets(unit * count)
        return time.process_time() - start

    assert seconds(40_000) < 4 * seconds(20_000) + 0.5
