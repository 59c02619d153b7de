import re
import subprocess
import sys

import pytest
from absl.flags import argparse_flags

from albert_tf.export import (
    command,
    hub_encoder,
    model_card,
    precision,
    preprocessor,
    task_model,
    writer,
)
from albert_tf.serving.limits import Limits
from tests.support.commands import status

PRECISION = ("--precision", "int8", "--calibration", "dev.csv", "--max_drift", "0.2")
SETTINGS = precision.Settings("int8", "dev.csv", 0.2)


def parse(*arguments):
    parser = argparse_flags.ArgumentParser(inherited_absl_flags=None)
    command.add_arguments(parser)
    return parser.parse_args(arguments)


def test_the_flags_of_an_encoder_reach_its_exporter(monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(hub_encoder, "export", lambda *args: calls.append(args) or args[1])
    command.run(parse("encoder", "from", "to", "--vocab", "v.model", "--no_check"))
    command.run(parse("encoder", "from", "to", "--license", "CC-BY-4.0"))
    command.run(parse("encoder", "from", "to", "--keep_padding", "--version", "next"))
    command.run(parse("encoder", "from", "to", "--limits", "tokens=9000"))
    command.run(parse("encoder", "from", "to", *PRECISION))
    float32, license = precision.DEFAULTS, model_card.AS_SOURCE
    assert calls == [
        ("from", "to", "v.model", False, True, None, license, Limits(), float32),
        ("from", "to", None, True, True, None, "CC-BY-4.0", Limits(), float32),
        ("from", "to", None, True, False, "next", license, Limits(), float32),
        ("from", "to", None, True, True, None, license, Limits(tokens=9000), float32),
        ("from", "to", None, True, True, None, license, Limits(), SETTINGS),
    ]
    assert "to: written" in capsys.readouterr().out


def test_the_precision_of_a_task_reaches_its_exporter(monkeypatch):
    calls = []
    monkeypatch.setattr(task_model, "export", lambda *args: calls.append(args) or args[1])
    command.run(parse("task", "from", "to"))
    command.run(parse("task", "from", "to", *PRECISION))
    assert [settings.precision for _, _, _, settings, *_ in calls] == [
        precision.DEFAULTS,
        SETTINGS,
    ]


def test_the_flags_of_a_preprocessor_reach_its_exporter(monkeypatch):
    calls = []
    monkeypatch.setattr(preprocessor, "export", lambda *args: calls.append(args) or args[1])
    command.run(parse("preprocessor", "from", "to", "--seq_length", "77"))
    command.run(parse("preprocessor", "from", "to", "--license", "MIT"))
    command.run(parse("preprocessor", "from", "to", "--limits", "bytes=70000,tokens=9000"))
    limits = Limits(bytes=70000, tokens=9000)
    assert calls == [
        ("from", "to", 77, True, model_card.AS_SOURCE, Limits()),
        ("from", "to", 128, True, "MIT", Limits()),
        ("from", "to", 128, True, model_card.AS_SOURCE, limits),
    ]


@pytest.mark.parametrize(
    ("kind", "text", "names"),
    [
        ("encoder", "bytes=70000", "tokens"),
        ("encoder", "answers=9", "tokens"),
        ("preprocessor", "answers=9", "bytes, tokens"),
        ("task", "rows=9", "answers, bytes, tokens"),
    ],
)
def test_a_limit_that_an_export_does_not_have_is_rejected(kind, text, names, tmp_path, capsys):
    assert status("export", kind, tmp_path, tmp_path / "to", "--limits", text) == 2
    error = capsys.readouterr().err
    name = text.partition("=")[0]
    assert f"Unknown limit of requests. Received '{name}'." in error and names in error
    assert error.count("\n") == 1 and not (tmp_path / "to").exists()


@pytest.mark.parametrize("kind", ["encoder", "preprocessor", "task", "lite"])
@pytest.mark.parametrize("name", ["", " ", "a | b", "two\nlines", "x" * 101])
def test_a_licence_that_is_not_a_name_is_rejected(kind, name, tmp_path, capsys):
    assert status("export", kind, tmp_path, tmp_path / "to", "--license", name) == 2
    error = capsys.readouterr().err
    assert "licence of an export must be a name of at most 100 characters on one line" in error
    assert error.count("\n") == 1 and not (tmp_path / "to").exists()


def test_steps_show_their_seconds_on_a_terminal(monkeypatch, capsys):
    for is_terminal, lines in ((False, ["saving ..."]), (True, ["saving ...", r"  0\.\d s"])):
        monkeypatch.setattr(sys.stdout, "isatty", lambda value=is_terminal: value, raising=False)
        with writer.step("saving"):
            pass
        printed = capsys.readouterr().out.splitlines()
        assert len(printed) == len(lines) and all(map(re.fullmatch, lines, printed))


def test_an_unknown_kind_is_rejected(capsys):
    with pytest.raises(SystemExit):
        parse("decoder", "from", "to")
    assert "invalid choice: 'decoder'" in capsys.readouterr().err


def test_an_error_is_printed_on_one_line_with_status_2(tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    assert status("export", "encoder", "x", tmp_path / "full") == 2
    error = capsys.readouterr().err
    assert error.startswith("albert-tf export: error: The export directory must be new or empty")
    assert error.count("\n") == 1


def test_help_does_not_import_tensorflow():
    code = (
        "import sys, argparse\n"
        "from albert_tf.export import command\n"
        "from absl.flags import argparse_flags\n"
        "command.add_arguments(argparse_flags.ArgumentParser(inherited_absl_flags=None))\n"
        "print('tensorflow' in sys.modules, 'numpy' in sys.modules)"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert finished.stdout == "False False\n", finished.stderr


@pytest.mark.clean_process
def test_the_command_verifies_what_it_writes(source, tmp_path, capsys):
    dest = tmp_path / "new" / "encoder"
    assert status("export", "encoder", source, dest) == 0
    printed = capsys.readouterr().out
    match = re.search(r"verified in a separate process: 9 calls, largest difference (\S+)", printed)
    assert 0 < float(match.group(1)) < 1e-5
    assert f"{dest}: written" in printed
    steps = ("loading the model", "saving the graphs and weights", "comparing with the source")
    assert [line for line in printed.splitlines() if line.startswith(steps)] == [
        "loading the model ...",
        "saving the graphs and weights ...",
        "comparing with the source in a separate process ...",
    ]
    assert [path.name for path in dest.parent.iterdir()] == ["encoder"]
