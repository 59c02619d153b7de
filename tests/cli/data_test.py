import subprocess
import sys
from pathlib import Path

import pytest

from albert_tf.cli import main

TESTDATA = Path(__file__).parents[1] / "testdata"
VOCAB = str(TESTDATA / "tokenization" / "spm.model")
ORIGINAL = str(TESTDATA / "pretraining_data" / "original_first_101.tfrecord")
TEXT = "The first line is here.\nThe second one follows.\nA third.\n\nOne more.\nAnd its end.\n"


def command(*arguments):
    return main.run(main.parse(["albert-tf", "data", *map(str, arguments)]))


def build(tmp_path, *more):
    (tmp_path / "a.txt").write_text(TEXT)
    return command(
        *("build", "--input", tmp_path / "*.txt", "--vocab", VOCAB, "--workers", 1),
        *("--output_dir", tmp_path / "out", "--max_seq_length", 32, "--dupe_factor", 3, *more),
    )


def test_build_then_stats_then_show(tmp_path, capsys):
    assert build(tmp_path, "--seed", 7) == 0
    printed = capsys.readouterr()
    assert "instances               6" in printed.out
    assert "3 files" in printed.out
    assert "documents=2" in printed.err
    files = tmp_path / "out" / "*.tfrecord"
    assert command("stats", "--input", files, "--vocab", VOCAB) == 0
    assert "instances               6" in capsys.readouterr().out
    assert command("show", "--input", files, "--vocab", VOCAB, "--count", 4) == 0
    shown = capsys.readouterr().out
    assert shown.count("A: [CLS]") == shown.count("B: ") == shown.count("predictions") == 4


def test_show_of_the_originals_records(capsys):
    assert command("show", "--input", ORIGINAL, "--vocab", VOCAB) == 0
    assert capsys.readouterr().out.count("A: [CLS]") == 3


@pytest.mark.parametrize(
    "more, message",
    [
        (["--max_seq_length", 4], "max_seq_length must be at least 5"),
        (["--shards", 9], "at least a document for each shard"),
    ],
)
def test_errors_are_one_line_and_write_nothing(tmp_path, capsys, more, message):
    assert build(tmp_path, *more) == 2
    err = capsys.readouterr().err.strip()
    assert err.startswith("albert-tf data: error: ")
    assert message in err
    assert "\n" not in err
    assert not (tmp_path / "out").exists()


def test_show_of_no_instances(capsys):
    assert command("show", "--input", ORIGINAL, "--vocab", VOCAB, "--count", 0) == 2
    assert "--count must be at least 1. Received 0" in capsys.readouterr().err


@pytest.mark.parametrize("action", [[], ["build"], ["stats"], ["show"]])
def test_help_does_not_import_tensorflow(action):
    code = (
        "import sys; from albert_tf.cli import main\n"
        f"try: main.parse(['albert-tf', 'data', *{action!r}, '--help'])\n"
        "except SystemExit: sys.exit('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert "--input" in done.stdout
