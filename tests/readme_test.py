"""The documentation is correct: commands parse, snippets run, and tables match the code."""

import re
import shlex

import pytest

from albert_tf.cli import main
from tests.support.paths import ROOT

PAGES = [
    *("README.md", "CONTRIBUTING.md", "experiments/README.md", "export/README.md"),
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))),
]


def blocks(page, language):
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands():
    text = "\n".join(block for page in PAGES for block in blocks(page, "shell"))
    lines = text.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("albert-tf ")]


def test_commands_are_found_in_the_pages():
    assert len(commands()) >= 7


@pytest.mark.parametrize("line", commands())
def test_commands_parse(line):
    args = main.parse(shlex.split(line, comments=True))
    assert callable(args.run)


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", "\n".join(blocks("README.md", "shell")), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_python_snippets_run(released, monkeypatch, capsys):
    monkeypatch.chdir(released)
    for block in blocks("README.md", "python"):
        exec(compile(block, "README.md", "exec"), {})
    assert re.search(r"^\(2, \d+\)\n\(2, \d+, \d+\)$", capsys.readouterr().out, re.MULTILINE)


def test_every_command_is_in_the_readme_table():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in main.COMMANDS:
        assert re.search(rf"^\|.*`(albert-tf )?{command}\b", text, re.MULTILINE), command


def test_folders_in_the_readme_map_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("## Find your way")[1].split("## Licence")[0]
    rows = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    paths = re.findall(r"`([\w/.]+)`", "".join(rows))
    assert len(paths) > 10 and all((ROOT / path).exists() for path in paths)
