import functools
import gzip
import json

import pytest

from albert_tf.tokenization.settings import Preprocessing
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support.commands import status

TEXT = "".join(f"Die Straße {i} und der süße Baum {i * 3}.\n" for i in range(100))


run = functools.partial(status, "vocab")


def test_a_vocabulary_is_trained_on_plain_and_gzip_files(tmp_path, capsys):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    with gzip.open(tmp_path / "b.txt.gz", "wt", encoding="utf-8") as stream:
        stream.write("Zebra zebra\n" * 50)
    pattern = f"{tmp_path}/*.txt,{tmp_path}/*.gz"
    code = run(
        *("--input", pattern, "--output", tmp_path / "v/german"),
        *("--vocab_size", 60, "--cased", "--keep_accents"),
    )
    assert code == 0
    assert "60 pieces from 150 lines in 2 files" in capsys.readouterr().out
    names = sorted(path.name for path in (tmp_path / "v").iterdir())
    assert names == ["german.model", "german.preprocess.json", "german.vocab"]
    tokenizer = AlbertTokenizer(tmp_path / "v/german.model")
    assert tokenizer.preprocessing == Preprocessing(lower_case=False, keep_accents=True)
    assert tokenizer.unk_id not in tokenizer.encode("Straße Zebra süß")


def test_json_lines_train_the_vocabulary_of_their_texts(tmp_path, capsys):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    objects = [{"url": "https://a.b", "body": line} for line in TEXT.splitlines()]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, objects)))  # "\\u00df"
    for name in ("a.txt", "a.jsonl"):
        arguments = ("--output", tmp_path / name, "--vocab_size", 60, "--text_field", "body")
        assert run("--input", tmp_path / name, *arguments) == 0
    assert (tmp_path / "a.txt.model").read_bytes() == (tmp_path / "a.jsonl.model").read_bytes()
    assert "60 pieces from 100 lines in 1 files" in capsys.readouterr().out
    assert run("--input", tmp_path / "a.jsonl", "--output", tmp_path / "v") == 2
    assert "text in the field 'text'. Received line 1 " in capsys.readouterr().err


def test_invalid_utf8_is_replaced_or_an_error(tmp_path, capsys):
    (tmp_path / "a.txt").write_bytes(TEXT.encode() + b"\xff\n")
    arguments = ("--input", tmp_path / "a.txt", "--output", tmp_path / "v", "--vocab_size", 60)
    assert run(*arguments) == 2
    assert "must be UTF-8 text" in capsys.readouterr().err
    assert list(tmp_path.glob("v*")) == []
    assert run(*arguments, "--invalid_utf8", "replace") == 0
    assert "replaced 1 bytes that are not UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change, message",
    [
        (("--input", "none*.txt"), "must match at least one file"),
        (("--vocab_size", "5000"), "not exceed what the text supports"),
        (("--rules", "huggingface"), "Received 'huggingface'. Closest: hugging_face"),
    ],
)
def test_errors_leave_no_output_file(tmp_path, capsys, change, message):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    arguments = ["--input", tmp_path / "a.txt", "--output", tmp_path / "v", "--vocab_size", 60]
    assert run(*arguments, *change) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.glob("v*")) == []


def test_existing_files_are_only_replaced_with_overwrite(tmp_path, capsys):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    arguments = ["--input", tmp_path / "a.txt", "--output", tmp_path / "v", "--vocab_size"]
    assert run(*arguments, 60) == 0
    assert run(*arguments, 50) == 2
    assert "is not overwritten by default" in capsys.readouterr().err
    assert AlbertTokenizer(tmp_path / "v.model").vocab_size == 60
    assert run(*arguments, 50, "--overwrite") == 0
    assert AlbertTokenizer(tmp_path / "v.model").vocab_size == 50
