"""The command line: fast help, one-line errors that name the closest option, and `doctor`."""

import os
import re
import subprocess
import sys
import time

import pytest

from albert_tf.cli import doctor, main
from albert_tf.errors import InputError
from tests.support.paths import ROOT


@pytest.mark.clean_process
@pytest.mark.parametrize("command", [None, *main.COMMANDS])
def test_help_does_not_import_tensorflow(command):
    script = (
        "import sys\nfrom albert_tf.cli import main\n"
        "try:\n    main.main(sys.argv[1:])\n"
        "except SystemExit as stop:\n    code = stop.code\n"
        "heavy = {'tensorflow', 'numpy', 'official', 'sentencepiece'} & set(sys.modules)\n"
        "print('loaded', sorted(heavy & {'tensorflow', 'official'}), code)\n"
    )
    arguments = [*([command] if command else []), "--help"]
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True
    )
    assert result.stdout.splitlines()[-1] == "loaded [] 0", result.stderr
    assert "usage: albert-tf" in result.stdout


def test_the_error_for_an_unknown_command_names_the_closest(capsys):
    with pytest.raises(SystemExit) as stop:
        main.parse(["albert-tf", "trian"])
    assert stop.value.code == 2
    assert "Received 'trian'. Closest: train" in capsys.readouterr().err


def test_an_input_error_is_printed_on_one_line_with_status_2(tmp_path, capsys):
    args = main.parse(
        ["albert-tf", "vocab", "--input", f"{tmp_path}/*.txt", "--output", f"{tmp_path}/v"]
    )
    assert main.run(args) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("albert-tf vocab: error: ")
    assert os.listdir(tmp_path) == []


def test_doctor_finds_no_problems_here(capsys):
    doctor.run(None)
    assert "no problems found" in capsys.readouterr().out


def test_doctor_reports_missing_and_incompatible_packages(monkeypatch):
    good = {"tensorflow": "2.20.0", "tensorflow-text": "2.20.1", "setuptools": "80.1"}
    assert doctor.problems(good, (3, 11)) == []
    assert "older than 81" in doctor.problems({**good, "setuptools": "82.0"}, (3, 11))[0]
    assert (
        "tensorflow-text 2.19" in doctor.problems({**good, "tensorflow-text": "2.19.0"}, (3, 11))[0]
    )
    assert (
        "Missing: gin-config. Run pip install gin-config"
        in (doctor.problems({**good, "gin-config": None}, (3, 11))[0])
    )
    assert doctor.problems(good, (3, 13)) == doctor.problems(good, (3, 10)) == []
    for version in ((3, 9), (3, 14)):
        text = f"Python must be 3.10 to 3.13. Received {version[0]}.{version[1]}, for which"
        assert text in doctor.problems(good, version)[0]
    monkeypatch.setattr(doctor, "_version", lambda name: None)
    with pytest.raises(InputError, match="All packages must be installed"):
        doctor.run(None)


@pytest.mark.parametrize(
    ("system", "machine", "text"),
    [
        (
            "Windows",
            "AMD64",
            "Windows AMD64, for which .* no wheels of tensorflow-text 2.20.*WSL 2",
        ),
        ("Windows", "x86_64", "Windows x86_64, for which there are no wheels"),
        ("Darwin", "x86_64", "no wheels of tensorflow and tensorflow-text 2.20"),
        ("Darwin", "arm64", None),
        ("Linux", "aarch64", None),
    ],
)
def test_doctor_names_platforms_without_wheels(system, machine, text):
    problems = doctor.problems({}, (3, 13), system, machine)
    assert len(problems) == (text is not None)
    assert not text or re.search(text, problems[0])


def test_the_versions_of_python_are_the_same_everywhere():
    (first, last) = doctor.PYTHON
    setup = (ROOT / "setup.py").read_text()
    assert f'python_requires=">={first[0]}.{first[1]},<{last[0]}.{last[1] + 1}"' in setup
    assert f"{first} <= v <= {last}" in (ROOT / "Makefile").read_text()


def command(*words, **options):
    """Starts `albert-tf tokenize`, which imports no TensorFlow."""
    return subprocess.Popen(
        [sys.executable, "-m", "albert_tf", *map(str, words)], cwd=ROOT, text=True, **options
    )


VOCAB = ROOT / "tests/testdata/tokenization/spm.model"


def test_a_reader_that_stops_early_ends_the_command_quietly(tmp_path):
    (tmp_path / "in.txt").write_text("a fine film\n" * 20_000)
    with open(tmp_path / "in.txt") as lines:
        process = command(
            *("tokenize", "--vocab", VOCAB),
            **dict(stdin=lines, stdout=subprocess.PIPE, stderr=subprocess.PIPE),
        )
    assert process.stdout.readline().startswith("▁a ")
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait() == 141
    process.stderr.close()


def test_sigterm_ends_a_command_with_its_status():
    process = command(
        *("tokenize", "--vocab", VOCAB),
        **dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE),
    )
    process.stdin.write("a fine film\n")
    process.stdin.flush()
    time.sleep(2)  # It waits for the next line then.
    process.terminate()
    _, errors = process.communicate()
    assert process.returncode == 143 and "Traceback" not in errors


def test_a_file_that_cannot_be_read_is_one_line(monkeypatch, tmp_path, capsys):
    def run(args):
        raise PermissionError(13, "Permission denied", str(tmp_path / "secret"))

    args = main.parse(["albert-tf", "vocab", "--input", "a", "--output", "b"])
    monkeypatch.setattr(args, "run", run)
    assert main.run(args) == 2
    error = capsys.readouterr().err
    assert error.startswith("albert-tf vocab: error: A file must be readable or writable. Received")
    assert error.endswith("secret': Permission denied. Check its permissions.\n")
