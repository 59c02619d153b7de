"""The scripts of examples/ run, as processes of their own, and end at a check that fails."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.notebooks import EXAMPLES

NAMES = ["serve_and_roll_out.sh", "train_and_predict.sh", "train_with_keras.py"]
HELPERS = {"reviews.py", "tiny_model.py"}
# Stand-ins for commands: they succeed, and do nothing beyond what comes before the first check.
STUBS = {
    # It reads what is written to it, as `echo` would fail otherwise.
    "albert-tf": 'case "$1" in tokenize) cat > /dev/null;; esac',
    "python": 'case "$1" in *.py) touch "$2/reviews.csv";; esac',
}


def run(name, folder, programs):
    """Runs a script in a folder, with `python` and `albert-tf` from the folder `programs`."""
    program = [sys.executable] if name.endswith(".py") else ["bash"]
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "TMPDIR": str(folder)}
    return subprocess.run(
        [*program, EXAMPLES / name], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.clean_process
@pytest.mark.parametrize("name", NAMES)
def test_a_script_goes_from_a_table_to_answers(name, tmp_path):
    finished = run(name, tmp_path, Path(sys.executable).parent)
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-4000:]
    assert f"\n{name}: everything is right." in finished.stdout
    assert len(re.findall(r"^ok ", finished.stdout, re.MULTILINE)) >= 7


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("serve_and_roll_out.sh", "WRONG  version 1 was verified"),
        ("train_and_predict.sh", "WRONG  the vocabulary has 120 pieces"),
    ],
)
def test_a_shell_script_ends_at_a_wrong_result(name, message, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    for program, text in STUBS.items():
        (programs / program).write_text(f"#!/bin/sh\n{text}\n")
        (programs / program).chmod(0o755)
    finished = run(name, tmp_path, programs)
    assert finished.returncode == 1 and message in finished.stderr
    assert "everything is right" not in finished.stdout


def test_the_keras_script_ends_at_a_wrong_result(monkeypatch, capsys):
    monkeypatch.syspath_prepend(EXAMPLES)
    import train_with_keras

    train_with_keras.check("a sum", True, 4)
    with pytest.raises(SystemExit, match="'a sum' does not hold. Received 5"):
        train_with_keras.check("a sum", False, 5)
    assert capsys.readouterr().out == "ok  a sum: 4\nWRONG  a sum: 5\n"


def test_the_reviews_have_what_real_exports_have(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(EXAMPLES)
    import reviews

    reviews.write(tmp_path / "data")
    text = (tmp_path / "data/reviews.csv").read_text()
    assert '""' in text and "\n\n" in text and "<br />" in text
    rows = reviews.rows()
    assert len(rows) - len(set(rows)) == 6
    assert [row for row in rows if not row[2]] and [row for row in rows if not row[3]]
    assert not {row[2] for row in reviews.NEW} & {row[2] for row in rows}


def test_every_script_is_in_the_table_and_runs_here():
    found = {path.name for pattern in ("*.py", "*.sh") for path in EXAMPLES.glob(pattern)}
    assert found - HELPERS == set(NAMES)
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"^\| \[([\w.]+)\]\(\1\) \|", text, re.MULTILINE)
    assert sorted(name for name in linked if not name.endswith(".ipynb")) == NAMES
