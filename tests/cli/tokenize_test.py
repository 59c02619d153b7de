import io
import shutil
from types import SimpleNamespace

from albert_tf.tokenization.settings import Preprocessing
from tests.support.commands import status
from tests.support.paths import TESTDATA

MODEL = TESTDATA / "tokenization/spm.model"


def run(monkeypatch, text, *arguments):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    return status("tokenize", *arguments)


def test_pieces_and_ids_are_printed_for_each_line(monkeypatch, capsys):
    assert run(monkeypatch, b"1,000\n\nThe\r\n", "--vocab", MODEL) == 0
    assert capsys.readouterr().out.split("\n") == [
        "▁ ▁ 1 , 000",
        "13 13 54 16 450",
        "",
        "",
        "▁the",
        "15",
        "",
    ]


def test_flags_set_case_and_rules(monkeypatch, capsys):
    run(monkeypatch, b"[MASK]The 1,", "--vocab", MODEL, "--cased", "--rules", "hugging_face")
    assert capsys.readouterr().out.split("\n")[0] == "[MASK] ▁ T h e ▁ 1 ,"


def test_offsets_are_character_positions(monkeypatch, capsys):
    run(monkeypatch, " Thé".encode(), "--vocab", MODEL, "--offsets")
    assert capsys.readouterr().out.split() == ["15", "▁the", "1", "4", "'Thé'"]


def test_invalid_utf8_is_replaced_or_an_error(monkeypatch, capsys):
    assert run(monkeypatch, b"The\nThe \xff\xfe\n", "--vocab", MODEL) == 0
    printed = capsys.readouterr()
    assert printed.out.split("\n")[:2] == ["▁the", "15"]
    assert "replaced 2 bytes that are not UTF-8" in printed.err
    arguments = ("--vocab", MODEL, "--invalid_utf8", "error")
    assert run(monkeypatch, b"The\nThe \xff\xfe\n", *arguments) == 2
    assert "must be UTF-8. Received 2 invalid bytes in line 2." in capsys.readouterr().err


def test_a_line_that_is_too_long_is_an_error(monkeypatch, capsys):
    monkeypatch.setenv("ALBERT_TF_LONGEST_LINE", "1000")
    assert run(monkeypatch, b"The\n" + b"x" * 10_000, "--vocab", MODEL) == 2
    printed = capsys.readouterr()
    assert printed.out.split("\n")[:2] == ["▁the", "15"]
    assert "at most 1000 characters. Received 'standard input', whose line 2 has" in printed.err


def test_flags_that_contradict_the_stored_settings_are_errors(monkeypatch, capsys, tmp_path):
    shutil.copy(MODEL, tmp_path / "m.model")
    Preprocessing().to_json_file(tmp_path / "m.preprocess.json")
    assert run(monkeypatch, b"", "--vocab", tmp_path / "m.model", "--cased") == 2
    assert "'lower_case': False" in capsys.readouterr().err
