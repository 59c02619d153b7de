"""A SentencePiece model made of tokenizer.json, as transformers 5 saves it without spiece.model."""

import base64
import copy
import json
import shutil

import pytest

from albert_tf.convert.conversion import convert
from albert_tf.errors import InputError
from albert_tf.formats.load import load
from albert_tf.tokenization import model_files, model_proto
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support.paths import TESTDATA


@pytest.fixture(scope="module")
def saved():
    """What transformers 5.23 saved for spm.model, with the table of normalization of that."""
    values = json.loads((TESTDATA / "tokenization/fast_tokenizer.json").read_text())
    proto = (TESTDATA / "tokenization/spm.model").read_bytes()
    settings = dict(model_proto._messages(proto))[3]
    table = dict(model_proto._messages(settings))[2]
    values["normalizer"]["normalizers"][-1]["precompiled_charsmap"] = (
        base64.b64encode(table).decode()
    )  # fmt: skip
    return values


def folder_of(values, folder, **config):
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(values))
    if config:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def test_ids_are_those_of_the_original_model(saved, cases, tmp_path):
    tokenizer = AlbertTokenizer.from_pretrained(folder_of(saved, tmp_path))
    texts = [case["text"] for case in cases]
    found = [list(map(int, ids)) for ids in tokenizer.encode_batch(texts)]
    assert found == [case["ids"]["hf4_slow_lower"] for case in cases]
    original = AlbertTokenizer(TESTDATA / "tokenization/spm.model")
    assert tokenizer.pieces == original.pieces


def test_the_settings_are_those_of_both_files(saved, tmp_path):
    settings = AlbertTokenizer.from_pretrained(folder_of(saved, tmp_path)).preprocessing
    assert (settings.lower_case, settings.keep_accents) == (True, False)
    assert settings.rules == "hugging_face" and settings.added_tokens == ()
    cased = copy.deepcopy(saved)
    steps = cased["normalizer"]["normalizers"]
    steps[:] = [step for step in steps if step["type"] not in ("Lowercase", "StripAccents")]
    settings = AlbertTokenizer.from_pretrained(folder_of(cased, tmp_path)).preprocessing
    assert (settings.lower_case, settings.keep_accents) == (False, True)
    folder = folder_of(saved, tmp_path, do_lower_case=False)
    assert not AlbertTokenizer.from_pretrained(folder).preprocessing.lower_case


def test_tokens_after_the_pieces_are_added(saved, tmp_path):
    values = copy.deepcopy(saved)
    values["added_tokens"].append({"id": 1000, "content": "<e1>", "special": True})
    tokenizer = AlbertTokenizer.from_pretrained(folder_of(values, tmp_path))
    assert tokenizer.encode("a <e1> b").count(1000) == 1 and tokenizer.vocab_size == 1001


def test_a_model_is_converted_with_it(saved, tmp_path):
    folder = folder_of(saved, tmp_path / "model")
    for name in ("config.json", "model.safetensors"):
        shutil.copy(TESTDATA / "hf_tiny" / name, folder)
    source = load(folder)
    assert any("is made of tokenizer.json" in note for note in source.notes)
    convert(source, "hugging_face", tmp_path / "out")
    assert (tmp_path / "out/spiece.model").read_bytes() == source.model_file.read_bytes()
    assert AlbertTokenizer.from_pretrained(tmp_path / "out").encode("a film") == (
        AlbertTokenizer.from_pretrained(folder).encode("a film")
    )


def test_a_model_in_the_folder_prevails(saved, tmp_path, model_file):
    path = shutil.copy(model_file, folder_of(saved, tmp_path) / "spiece.model")
    assert model_files.find_model_file(tmp_path) == path


@pytest.mark.parametrize(
    "model", [None, {"type": "BPE", "vocab": {"a": 1}}, {"type": "Unigram", "vocab": 3}]
)
def test_another_model_is_no_vocabulary(saved, model, tmp_path):
    assert model_files.find_model_file(folder_of({**saved, "model": model}, tmp_path)) is None


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([["<unk>", 0.0], ["a", float("inf")]], "ValueError a score is not finite"),
        ([["<unk>", 0.0], ["a"]], "Received '.*tokenizer.json': ValueError"),
        ([["<unk>", 0.0], [3, 1.0]], "Received '.*tokenizer.json': AttributeError"),
        ([["<unk>", 0.0], ["a", "b"]], "Received '.*tokenizer.json': ValueError"),
        ([["<unk>", 0.0], ["a", -1.0], ["a", -2.0]], "Received '.*tokenizer.json': RuntimeError"),
        ([["a", -1.0]], "Received '.*tokenizer.json': RuntimeError"),
        ([["<unk>", 0.0], ["\ud800", -1.0]], "is half of a surrogate pair"),
        ([], "Received '.*tokenizer.json': RuntimeError"),
    ],
)
def test_damaged_pieces_are_one_error(saved, pieces, message, tmp_path):
    values = {**saved, "model": {"type": "Unigram", "vocab": pieces}}
    with pytest.raises(InputError, match=message) as error:
        AlbertTokenizer.from_pretrained(folder_of(values, tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("table", ["%%", "YQ==", 3, None])
def test_a_damaged_table_is_one_error(saved, table, tmp_path):
    values = copy.deepcopy(saved)
    values["normalizer"]["normalizers"][-1]["precompiled_charsmap"] = table
    with pytest.raises(InputError, match="with a table of normalization. Received"):
        AlbertTokenizer.from_pretrained(folder_of(values, tmp_path))


def test_added_tokens_must_have_ids(saved, tmp_path):
    with pytest.raises(InputError, match="must be a list of objects with ids. Received .'a'"):
        AlbertTokenizer.from_pretrained(folder_of({**saved, "added_tokens": ["a"]}, tmp_path))
