import pickle
import subprocess
import sys

import numpy as np
import pytest

from albert_tf.errors import InputError
from albert_tf.tokenization.settings import Preprocessing, path_beside
from albert_tf.tokenization.tokenizer import AlbertTokenizer


def test_golden_ids(golden, cases, tokenizers):
    got = tokenizers[golden].encode_batch([case["text"] for case in cases])
    wrong = [c["text"] for c, ids in zip(cases, got) if ids != c["ids"][golden]]
    assert wrong == []


def test_golden_pieces(cases, tokenizer):
    wrong = [c["text"] for c in cases if tokenizer.tokenize(c["text"]) != c["pieces"]]
    assert wrong == []


def test_a_batch_equals_single_texts_with_any_number_of_threads(setting, cases, tokenizers):
    tokenizer = tokenizers[setting]
    texts = [case["text"] for case in cases]
    one_by_one = [tokenizer.encode(text) for text in texts]
    assert tokenizer.encode_batch(iter(texts), num_threads=3) == one_by_one
    assert tokenizer.encode_batch([text.encode() for text in texts]) == one_by_one
    assert [tokenizer.pieces_to_ids(tokenizer.tokenize(t)) for t in texts] == one_by_one


def test_calling_the_tokenizer_packs_segments(tokenizer):
    a, b = tokenizer.encode("a b"), tokenizer.encode("1,000,")
    packed = tokenizer(["a b", ""], ["1,000,", "x"])
    assert packed["input_word_ids"][0].tolist() == [2, *a, 3, *b, 3]
    assert packed["input_word_ids"].dtype == np.int32
    assert tokenizer("")["input_word_ids"].tolist() == [[2, 3]]
    cut = tokenizer("a b", max_length=3)
    assert cut["input_word_ids"].tolist() == [[2, a[0], 3]]
    wide = tokenizer("a b", max_length=9, padding="max_length")
    assert wide["input_mask"].tolist() == [[1] * (2 + len(a)) + [0] * (7 - len(a))]


def test_decode_drops_special_tokens_by_default(tokenizer):
    ids = tokenizer("Hello, wörld!", "(two)", max_length=64, padding="max_length")
    ids = ids["input_word_ids"][0]
    assert tokenizer.decode(ids) == "hello, world! (two)"
    kept = tokenizer.decode(ids, skip_special_tokens=False)
    assert kept.startswith("[CLS] hello, world![SEP] (two)[SEP]<pad><pad>")


# What the slow tokenizer of transformers 4.57 makes of these ids with the same model.
DECODED_BY_HUGGING_FACE = {
    "[CLS] a test.[SEP] a[MASK] <unk> s[SEP]": [2, 17, 13, 552, 9, 3, 17, 4, 13, 1, 14, 3],
    "[CLS][SEP] a[MASK] <unk> s[SEP]": [2, 3, 17, 4, 13, 1, 14, 3],
    "[CLS]<pad><pad>": [2, 0, 0],
    "[MASK] .[MASK]": [4, 9, 4],
    '<unk> "[SEP]': [1, 7, 3],
    '"<unk>': [7, 1],
    ".–": [9, 10],
}


@pytest.mark.parametrize("text", DECODED_BY_HUGGING_FACE)
def test_decoding_with_special_tokens_equals_hugging_face(tokenizer, text):
    ids = DECODED_BY_HUGGING_FACE[text]
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_ids_and_pieces(tokenizer):
    assert tokenizer.ids_to_pieces(np.array([2, 0])) == ["[CLS]", "<pad>"]
    assert tokenizer.pieces_to_ids(["[SEP]", "no such piece"]) == [3, 1]
    assert tokenizer.vocab_size == len(tokenizer.pieces) == 1000
    for bad in (-1, 1000):
        with pytest.raises(InputError, match=rf"Ids must lie in \[0, 1000\).* Received {bad}\."):
            tokenizer.ids_to_pieces([bad])


def test_a_pickled_tokenizer_gives_the_same_ids(tokenizer):
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy.encode("Hello 1,000,") == tokenizer.encode("Hello 1,000,")


def test_invalid_utf8_is_replaced_and_counted(tokenizer):
    counting = AlbertTokenizer(tokenizer.model_file)
    truncated = "a€b".encode().replace(b"\xac", b"")  # Two of the three bytes of a character.
    expected = tokenizer.encode_batch(["a\ufffdb", "a\ufffdb"])
    assert counting.encode_batch([b"a\xffb", truncated]) == expected
    assert counting.replaced_bytes == 1 + 2


def test_invalid_utf8_is_an_error_on_request(tokenizer):
    strict = AlbertTokenizer(tokenizer.model_file, invalid_utf8="error")
    with pytest.raises(InputError, match=r"must be UTF-8\. Received 1 invalid bytes in text 1\."):
        strict.encode_batch([b"fine", b"a\xffb"])
    with pytest.raises(InputError, match="must be 'replace' or 'error'. Received 'ignore'"):
        AlbertTokenizer(tokenizer.model_file, invalid_utf8="ignore")


def test_ten_million_characters_on_one_line(tokenizer):
    text = "Hello, wörld 1,000 " * 530_000
    assert len(tokenizer.encode(text)) == 530_000 * len(tokenizer.encode("Hello, wörld 1,000"))


@pytest.mark.parametrize("bad", [None, 3, 2.5, ["x"]])
def test_values_that_are_not_text_are_reported_with_their_index(bad, tokenizer):
    with pytest.raises(InputError, match=r"must be a str.* at index 2\. Convert it or leave"):
        tokenizer.encode_batch(["a", "b", bad])


def test_unknown_padding_is_an_error(tokenizer):
    with pytest.raises(InputError, match="Received 'left'. Closest: longest. All"):
        tokenizer("a", padding="left")


@pytest.mark.parametrize("content", [b"", b"not a model at all", b"\x00" * 99])
def test_a_file_that_is_not_a_model_is_an_error(tmp_path, content):
    path = tmp_path / "x.model"
    path.write_bytes(content)
    with pytest.raises(InputError, match="A SentencePiece model must be|special pieces"):
        AlbertTokenizer(path)


def test_a_missing_model_is_an_error(tmp_path):
    with pytest.raises(InputError, match="A vocabulary must be an existing file"):
        AlbertTokenizer(tmp_path / "none.model")


def test_arguments_must_agree_with_the_settings_file(tmp_path, model_file):
    copy = tmp_path / "m.model"
    copy.write_bytes(model_file.read_bytes())
    assert AlbertTokenizer(copy).preprocessing == Preprocessing()
    Preprocessing(lower_case=False).to_json_file(path_beside(copy))
    assert AlbertTokenizer(copy).preprocessing.lower_case is False
    assert AlbertTokenizer(copy, lower_case=False).preprocessing.lower_case is False
    with pytest.raises(InputError, match=r"for the arguments of AlbertTokenizer"):
        AlbertTokenizer(copy, lower_case=True)


def test_save_and_from_pretrained(tmp_path, tokenizers):
    saved = tokenizers["orig_cased"].save(tmp_path / "new")
    again = AlbertTokenizer.from_pretrained(tmp_path / "new")
    assert again.preprocessing == tokenizers["orig_cased"].preprocessing
    assert again.encode("Hello") == tokenizers["orig_cased"].encode("Hello")
    assert tokenizers["orig_cased"].save(tmp_path / "new") == saved
    before = saved.read_bytes()
    with pytest.raises(InputError, match="for this tokenizer, but"):
        tokenizers["orig_lower"].save(tmp_path / "new")
    saved.write_bytes(b"another")
    with pytest.raises(InputError, match="must not replace another vocabulary"):
        tokenizers["orig_cased"].save(tmp_path / "new")
    assert saved.read_bytes() == b"another" != before


@pytest.mark.clean_process
def test_data_workers_do_not_import_tensorflow():
    code = (
        "import sys, albert_tf.tokenization.tokenizer, albert_tf.tokenization.vocabulary;"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rows_are_decoded_together(tokenizer):
    rows = tokenizer(["a fine day", "it is n't 's ."])["input_word_ids"]
    assert tokenizer.batch_decode(rows) == [tokenizer.decode(row) for row in rows]
    ids = tokenizer.encode("it is n't her 's , is it ? no ' no")
    assert tokenizer.decode(ids) == "it is n't her 's , is it ? no ' no"
    cleaned = tokenizer.decode(ids, clean_up_tokenization_spaces=True)
    assert cleaned == "it isn't her's, is it? no'no"  # as transformers 4.57 and 5.23
    pieces = ["[CLS]", *tokenizer.tokenize("a fine day"), "[SEP]"]
    assert tokenizer.convert_tokens_to_string(pieces) == "[CLS] a fine day[SEP]"


def test_special_tokens_have_the_names_of_transformers(tokenizer):
    names = ("pad", "unk", "cls", "sep", "mask")
    texts = [getattr(tokenizer, f"{name}_token") for name in names]
    assert texts == tokenizer.all_special_tokens == ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    assert [getattr(tokenizer, f"{name}_token_id") for name in names] == [0, 1, 2, 3, 4]
    assert tokenizer.all_special_ids == [0, 1, 2, 3, 4]
    vocabulary = tokenizer.get_vocab()
    assert len(vocabulary) == 1000 and vocabulary["[MASK]"] == 4
    assert [vocabulary[piece] for piece in tokenizer.pieces] == list(range(1000))


def test_a_tokenizer_with_added_tokens_is_another_one(tokenizer, tmp_path):
    before, piece = tokenizer.encode("<e1> Fine <e2>"), tokenizer.pieces[40]
    more = tokenizer.with_added_tokens(["<e1>", piece, "<e1>"]).with_added_tokens("<e2>", True)
    assert list(more.added_tokens) == [40, 1000, 1001]
    assert more.encode("<e1> Fine <e2>") == [1000, *tokenizer.encode("Fine"), 1001]
    assert more.decode([1000, 1001]) == "<e1>" and more.vocab_size == 1002
    spans = more.tokenize_with_offsets("a <e1>b")
    assert spans.pieces[1] == "<e1>" and (spans.starts[1], spans.ends[1]) == (2, 6)
    assert tokenizer.encode("<e1> Fine <e2>") == before and tokenizer.vocab_size == 1000
    more.save(tmp_path)
    again = AlbertTokenizer.from_pretrained(tmp_path)
    assert again.encode("<E1><e2>") == more.encode("<E1><e2>")
    with pytest.raises(InputError, match="must be text of one or more .* Received 3"):
        tokenizer.with_added_tokens([3])
