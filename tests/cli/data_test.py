import functools
import json
import subprocess
import sys

import pytest

from albert_tf.pretraining.records import manifest
from tests.support.commands import status
from tests.support.paths import TESTDATA

VOCAB = str(TESTDATA / "tokenization" / "spm.model")
ORIGINAL = str(TESTDATA / "pretraining_data" / "original_first_101.tfrecord")
TEXT = "The first line is here.\nThe second one follows.\nA third.\n\nOne more.\nAnd its end.\n"


command = functools.partial(status, "data")


def build(tmp_path, *more):
    (tmp_path / "a.txt").write_text(TEXT)
    return command(
        *("build", "--input", tmp_path / "*.txt", "--vocab", VOCAB, "--workers", 1),
        *("--output_dir", tmp_path / "out", "--max_seq_length", 32, "--dupe_factor", 3, *more),
    )


def test_data_can_be_built_counted_and_shown(tmp_path, capsys):
    assert build(tmp_path, "--seed", 7) == 0
    printed = capsys.readouterr()
    assert "instances               6" in printed.out
    assert "3 files" in printed.out
    assert "check: 100%" in printed.err and "documents=2" in printed.err
    files = tmp_path / "out" / "*.tfrecord"
    plot = tmp_path / "plot.png"
    assert command("stats", "--input", files, "--vocab", VOCAB, "--plot", plot) == 0
    assert "instances               6" in capsys.readouterr().out
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert command("show", "--input", files, "--vocab", VOCAB, "--count", 4) == 0
    shown = capsys.readouterr().out
    assert shown.count("A: [CLS]") == shown.count("B: ") == shown.count("predictions") == 4


def test_json_lines_can_be_built_on_beam_without_sentence_order(tmp_path, capsys):
    paragraphs = ["The first line is here. The second one follows.", "A third.", "", "And its end."]
    (tmp_path / "a.jsonl").write_text(json.dumps({"body": "\n".join(paragraphs)}) + "\n")
    arguments = [
        *("--input", tmp_path / "*.jsonl", "--text_field", "body", "--split_sentences", "en"),
        *("--sentence_order=false", "--runner", "DirectRunner", "--", "--direct_num_workers", 1),
    ]
    assert build(tmp_path, *arguments) == 0
    printed = capsys.readouterr().out
    assert "sentences               4" in printed
    assert "label" not in printed
    folder = manifest.read(tmp_path / "out")
    assert [file["name"] for file in folder["input"]] == ["a.jsonl"]
    assert folder["settings"]["sentence_order"] is False
    files = tmp_path / "out" / "*.tfrecord"
    assert command("show", "--input", files, "--vocab", VOCAB, "--count", 1) == 0
    assert [line[:3] for line in capsys.readouterr().out.splitlines()] == ["A: ", "lab", ""]
    other = VOCAB.replace("spm", "spm_cased")  # the same size, but different pieces
    for action in ("stats", "show"):
        assert command(action, "--input", files, "--vocab", other) == 2
        assert "built with another vocabulary, of 1000 pieces" in capsys.readouterr().err


def test_show_reads_records_of_the_original_script(capsys):
    assert command("show", "--input", ORIGINAL, "--vocab", VOCAB) == 0
    assert capsys.readouterr().out.count("A: [CLS]") == 3


@pytest.mark.parametrize(
    "more, message",
    [
        (["--max_seq_length", 4], "max_seq_length must be at least 5"),
        (["--shards", 9], "at least one document per shard"),
        (["--", "--direct_num_workers", 2], "need a runner. Received --direct_num_workers 2 with"),
        (["--workers", 0], "workers must be at least 1. Received 0"),
        (["--plot", "/dev/null/a.png"], "The folder of --plot must be writable"),
        (["--runner", "NoRunner"], "must be a runner of Apache Beam. Received 'NoRunner'"),
    ],
)
def test_wrong_arguments_give_a_one_line_error_and_write_nothing(tmp_path, capsys, more, message):
    assert build(tmp_path, *more) == 2
    *bars, error = capsys.readouterr().err.strip().splitlines()
    assert error.startswith("albert-tf data: error: ")
    assert message in error
    assert all(bar.startswith("check: ") for bar in bars if bar)
    assert not (tmp_path / "out").exists()


def test_the_error_for_missing_beam_states_how_to_install_it(tmp_path, capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "albert_tf.pretraining.records.beam_build", raising=False)
    monkeypatch.delattr("albert_tf.pretraining.records.beam_build", raising=False)
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    assert build(tmp_path, "--runner", "DirectRunner") == 2
    assert "Apache Beam, which is not installed" in (err := capsys.readouterr().err)
    assert "pip install 'albert-tf[beam]'" in err
    assert not (tmp_path / "out").exists()


def test_sentence_order_must_be_true_or_false(tmp_path, capsys):
    with pytest.raises(SystemExit):
        build(tmp_path, "--sentence_order", "no")
    assert "must be true or false. Received 'no'" in capsys.readouterr().err


def test_show_needs_a_positive_count(capsys):
    assert command("show", "--input", ORIGINAL, "--vocab", VOCAB, "--count", 0) == 2
    assert "--count must be at least 1. Received 0" in capsys.readouterr().err


@pytest.mark.parametrize("action", [[], ["build"], ["stats"], ["show"], ["check"]])
def test_help_does_not_import_tensorflow(action):
    code = (
        "import sys; from albert_tf.cli import main\n"
        f"try: main.parse(['albert-tf', 'data', *{action!r}, '--help'])\n"
        "except SystemExit: sys.exit('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert ("--gin_file" if action == ["check"] else "--input") in done.stdout
