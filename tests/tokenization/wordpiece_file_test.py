"""Finds and reads WordPiece vocabularies, and refuses damaged ones."""

import json
import shutil

import pytest

from albert_tf.errors import InputError
from albert_tf.tokenization import model_files, wordpiece_file
from albert_tf.tokenization.settings import Preprocessing
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support import wordpiece

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def bert_json(folder, **changes):
    """Writes a tokenizer.json as transformers does."""
    model = {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {piece: index for index, piece in enumerate(wordpiece.pieces())},
    }
    normalizer = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True}
    normalizer |= {"strip_accents": None, "lowercase": True}
    values = {"normalizer": normalizer, "model": model, "added_tokens": []}
    for key, value in changes.items():
        next(part for part in (model, normalizer, values) if key in part)[key] = value
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(values))
    return path


@pytest.mark.parametrize(
    ("written", "pieces"),
    [
        ("a\r\n##b\r\n", ["a", "##b"]),
        ("\ufeffa\n##b", ["a", "##b"]),
        ("\ufeffa\r\n##b\n\n\r\n", ["a", "##b"]),
        # As in the released vocabulary, a piece may be white space other than a space.
        ("a\n\u2028\n##\u2028\n", ["a", "\u2028", "##\u2028"]),
        ("a\n\x85\n\u3000\n\x0b", ["a", "\x85", "\u3000", "\x0b"]),
    ],
)
def test_lines_are_pieces(tmp_path, written, pieces):
    path = tmp_path / "vocab.txt"
    path.write_bytes(("\n".join(SPECIAL) + "\n").encode() + written.removeprefix("\ufeff").encode())
    if written.startswith("\ufeff"):
        path.write_bytes("\ufeff".encode() + path.read_bytes())
    assert wordpiece_file.read(path) == SPECIAL + pieces
    tokenizer = AlbertTokenizer(path)
    assert tokenizer.vocab_size == 5 + len(pieces)
    assert tokenizer.encode("ab " * ("##b" in pieces)) == [5, 6] * ("##b" in pieces)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"one piece on each line. Received '' in line 1 of '.*vocab.txt'. Correct the line"),
        (b"\n\n", r"one piece on each line. Received '' in line 1"),
        (b"a\n\nb\n", r"one piece on each line. Received '' in line 2"),
        (b"a\r\n\r\nb\n", r"one piece on each line. Received '' in line 2"),
        (b"a\nb 12\n", r"one piece on each line. Received 'b 12' in line 2"),
        (b"a\t7\nb\n", r"one piece on each line. Received 'a\\t7' in line 1"),
        (b"a\nb\na\n", r"pieces .* must differ. Received 'a' in lines 1 and 3 of .*\[unused1\]"),
        (b"a\r\nb\na", r"pieces .* must differ. Received 'a' in lines 1 and 3"),
        (b"a\n\xff\n", r"must be text in UTF-8. Received '.*vocab.txt', where byte 2 is not"),
        ("a\nb\n".encode("utf-16"), r"must be text in UTF-8. Received '.*', where byte 0 is not"),
        (b"a\n##b\n", r"must have the pieces \[PAD\], .* Received '.*' without \[PAD\], \[UNK\], "),
        (b"[PAD]\n[UNK]\n[CLS]\n[MASK]\n", r"Received '.*vocab.txt' without \[SEP\]. Use the vo"),
    ],
)
def test_a_damaged_vocabulary_is_one_error(tmp_path, data, message):
    path = tmp_path / "vocab.txt"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message) as error:
        AlbertTokenizer.from_pretrained(tmp_path)
    assert "\n" not in str(error.value)


def test_a_missing_vocabulary_is_an_error(tmp_path):
    with pytest.raises(InputError, match="A vocabulary must be an existing file"):
        AlbertTokenizer(tmp_path / "vocab.txt")
    with pytest.raises(InputError, match=r"with one \*.model file, or with vocab.txt.* no vocab"):
        AlbertTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["vocab.txt", "vocab_chinese.txt", "mine.txt"])
def test_a_saved_vocabulary_is_found(tmp_path, name):
    given = wordpiece.write(tmp_path, name)
    tokenizer = AlbertTokenizer(given, lower_case=False)
    assert tokenizer.preprocessing == Preprocessing(lower_case=False, keep_accents=True)
    (tmp_path / "export/assets").mkdir(parents=True)
    saved = tokenizer.save(tmp_path / "export/assets")
    assert saved.name == name and saved.read_bytes() == given.read_bytes()
    found = AlbertTokenizer.from_pretrained(tmp_path / "export")
    assert found.preprocessing == tokenizer.preprocessing
    assert found.encode("É film") == tokenizer.encode("É film")
    with pytest.raises(InputError, match="must be preprocessed the same way"):
        AlbertTokenizer(saved, lower_case=True)


def test_a_release_has_the_settings_of_the_original(tmp_path):
    wordpiece.write(tmp_path, "vocab_chinese.txt")
    (tmp_path / "albert_config.json").write_text("{}")
    tokenizer = AlbertTokenizer.from_pretrained(tmp_path)
    assert tokenizer.preprocessing == Preprocessing()
    assert tokenizer.processor.max_characters == 200


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {}),
        ({"do_lower_case": False}, dict(lower_case=False, keep_accents=True)),
        ({"do_lower_case": False, "strip_accents": True}, dict(lower_case=False)),
        ({"strip_accents": False, "never_split": None}, dict(keep_accents=True)),
        ({"tokenize_chinese_chars": False}, dict(tokenize_chinese_chars=False)),
    ],
)
def test_a_folder_of_bert_tokenizer_has_its_settings(tmp_path, config, expected):
    wordpiece.write(tmp_path)
    values = {"tokenizer_class": "BertTokenizer", "do_basic_tokenize": True, **config}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(values))
    tokenizer = AlbertTokenizer.from_pretrained(tmp_path)
    assert tokenizer.preprocessing == Preprocessing(rules="hugging_face", **expected)
    assert tokenizer.processor.max_characters == 100
    assert tokenizer.tokenize("the[MASK]") == ["the", "[MASK]"]


def test_a_folder_without_a_tokenizer_config_is_known_by_its_config(tmp_path):
    wordpiece.write(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "albert"}')
    assert AlbertTokenizer.from_pretrained(tmp_path).preprocessing.rules == "hugging_face"


def test_added_tokens_of_a_folder_of_bert_tokenizer(tmp_path):
    size = len(wordpiece.pieces())
    wordpiece.write(tmp_path)
    decoder = {"1": "[PAD]", "3": "[UNK]", "6": "[MASK]", str(size): "<e1>"}
    decoder = {i: {"content": text, "special": text != "<e1>"} for i, text in decoder.items()}
    config = {"added_tokens_decoder": decoder, "unk_token": "[UNK]", "mask_token": "[MASK]"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = AlbertTokenizer.from_pretrained(tmp_path)
    assert [token.content for token in tokenizer.preprocessing.added_tokens] == ["<e1>"]
    assert tokenizer.encode("[UNK]<e1>[PAD]") == [3, size, 1]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"never_split": ["the"]}, r"never_split of a BertTokenizer must be null. Received \['the"),
        ({"do_basic_tokenize": False}, "do_basic_tokenize of a BertTokenizer must be true. Rec"),
        ({"do_basic_tokenize": 0}, "do_basic_tokenize .* must be true. Received 0 in '.*config.js"),
        ({"do_lower_case": "no"}, "lower_case must be true or false. Received 'no'"),
        ({"strip_accents": "no"}, "strip_accents must be true, false or null. Received 'no'"),
        ({"tokenize_chinese_chars": 1}, "tokenize_chinese_chars must be true or false. Received 1"),
    ],
)
def test_settings_that_are_not_supported_are_errors(tmp_path, config, message):
    wordpiece.write(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=message):
        AlbertTokenizer.from_pretrained(tmp_path)


def test_a_tokenizer_json_alone_is_a_vocabulary(tmp_path):
    bert_json(tmp_path, lowercase=False, handle_chinese_chars=False)
    tokenizer = AlbertTokenizer.from_pretrained(tmp_path)
    expected = Preprocessing(False, True, "hugging_face", tokenize_chinese_chars=False)
    assert tokenizer.preprocessing == expected
    assert tokenizer.pieces == wordpiece.pieces()
    # It is stored as vocab.txt.
    saved = tokenizer.save(tmp_path / "saved")
    assert saved.name == "vocab.txt" and AlbertTokenizer(saved).pieces == wordpiece.pieces()
    files = model_files.of_folder(tmp_path / "tokenizer.json", expected)
    assert files["vocab.txt"] == saved.read_text()
    assert AlbertTokenizer.from_pretrained(tmp_path / "saved").preprocessing == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unk_token": "<unk>"}, r"unk_token must be '\[UNK\]'.* Received '<unk>' in '.*json'"),
        ({"max_input_chars_per_word": 7}, "max_input_chars_per_word must be 100.* Received 7"),
        ({"normalizer": None}, "the normalizer must be a BertNormalizer.* Received .no normalizer"),
        ({"normalizer": {"type": "Sequence"}}, "the normalizer must be a BertNormalizer"),
        ({"clean_text": False}, "clean_text must be true.* Received False"),
        ({"lowercase": "yes"}, "lower_case must be true or false. Received 'yes'"),
        ({"vocab": ["a"]}, r"vocab must be pieces with the ids from 0.* Received \['a'\]"),
        ({"vocab": {"a": 0, "b": 2}}, "vocab must be pieces with the ids from 0 without gaps"),
        ({"vocab": {"a": "0"}}, "vocab must be pieces with the ids from 0 without gaps"),
        ({"vocab": {"a": 0}}, r"without \[PAD\]"),
        ({"vocab": {}}, "vocab must be pieces with the ids from 0 without gaps"),
    ],
)
def test_a_tokenizer_json_unlike_that_of_bert_is_an_error(tmp_path, changes, message):
    bert_json(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        AlbertTokenizer.from_pretrained(tmp_path)


def test_a_folder_with_both_kinds_needs_the_class_of_its_tokenizer(tmp_path, model_file):
    wordpiece.write(tmp_path)
    shutil.copy(model_file, tmp_path / "30k-clean.model")
    message = r"30k-clean.model \(SentencePiece\) and vocab.txt \(WordPiece\). Remove the one"
    with pytest.raises(InputError, match=message):
        AlbertTokenizer.from_pretrained(tmp_path)
    config = tmp_path / "tokenizer_config.json"
    config.write_text('{"do_lower_case": true}')
    with pytest.raises(InputError, match=message):
        AlbertTokenizer.from_pretrained(tmp_path)
    for kind, name in (("BertTokenizerFast", "vocab.txt"), ("AlbertTokenizer", "30k-clean.model")):
        config.write_text(json.dumps({"tokenizer_class": kind}))
        assert AlbertTokenizer.from_pretrained(tmp_path).model_file.name == name
    # A file that is named is not in question.
    assert AlbertTokenizer(tmp_path / "vocab.txt").is_wordpiece


def test_several_vocabularies_are_an_error(tmp_path):
    for name in ("vocab.txt", "vocab_chinese.txt"):
        wordpiece.write(tmp_path, name)
    with pytest.raises(InputError, match="with vocab.txt, vocab_chinese.txt. Name the file"):
        AlbertTokenizer.from_pretrained(tmp_path)
    # Other text files are no vocabularies.
    (tmp_path / "vocab_chinese.txt").rename(tmp_path / "labels.txt")
    assert AlbertTokenizer.from_pretrained(tmp_path).model_file.name == "vocab.txt"


@pytest.mark.parametrize(
    ("values", "keeps"),
    [
        ({"lower_case": False}, True),
        ({"lower_case": False, "rules": "hugging_face"}, True),
        ({"lower_case": False, "keep_accents": False}, False),
        ({"lower_case": True}, False),
        ({}, False),
    ],
)
def test_a_settings_file_without_accents_keeps_them_as_bert_does(tmp_path, values, keeps):
    path = wordpiece.write(tmp_path, "my.txt")
    (tmp_path / "my.preprocess.json").write_text(json.dumps(values))
    tokenizer = AlbertTokenizer.from_pretrained(tmp_path)
    assert tokenizer.preprocessing.keep_accents is keeps
    assert tokenizer.tokenize("é") == ["é" if keeps else "e"]
    assert AlbertTokenizer(path, lower_case=values.get("lower_case")).save(tmp_path) == path
    assert tokenizer.save(tmp_path / "new").name == "my.txt"
    assert AlbertTokenizer.from_pretrained(tmp_path / "new").preprocessing.keep_accents is keeps
