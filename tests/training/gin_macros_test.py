"""The list of macros agrees with what gin itself makes of the files, and explains every macro."""

import ast
import subprocess
import sys

import pytest

from albert_tf.cli import main
from albert_tf.errors import InputError
from albert_tf.training import gin_files, gin_macros


@pytest.mark.parametrize("recipe", gin_files.recipes())
def test_names_and_values_are_those_that_gin_reads(recipe):
    found = {macro.name: macro.value for macro in gin_macros.find([recipe])}
    required = {name for name, value in found.items() if value == "%gin.REQUIRED"}
    gin_files.parse([recipe], [f"{name}=set" for name in required])
    wanted = gin_files.macros()
    assert list(found) and set(found) == set(wanted)
    for name, value in wanted.items():
        if found[name][:1] in "%@":  # Gin's references show their names in their own way.
            assert name in required or found[name][1:].split("(")[0].split(".")[-1] in repr(value)
        else:
            assert ast.literal_eval(found[name]) == value


@pytest.mark.parametrize("recipe", gin_files.recipes())
def test_every_macro_has_a_meaning(recipe):
    assert [m.name for m in gin_macros.find([recipe]) if len(m.meaning) < 8] == []


def test_later_files_and_overrides_take_precedence(tmp_path):
    (tmp_path / "base.gin").write_text(
        "include 'finetune_table'\nEPOCHS = 7\nLABELS = [\n 'a',\n]\n"
    )
    mine = tmp_path / "mine.gin"
    mine.write_text("# Mine.\n#\n#   EPOCHS  passes, as\n#           I count\ninclude 'base.gin'\n")
    macros = {m.name: m for m in gin_macros.find([str(mine)], ["SEED=4", "TEXT=a b", "x.y=3"])}
    assert {name: macros[name].value for name in ("EPOCHS", "LABELS", "SEED", "TEXT")} == {
        "EPOCHS": "7",
        "LABELS": "['a']",
        "SEED": "4",
        "TEXT": "'a b'",
    }
    assert macros["BATCH_SIZE"].value == "32" and "x.y" not in macros
    # The file that is included has the last word, as for values.
    assert macros["EPOCHS"].meaning == "passes over the training examples"


@pytest.mark.parametrize(
    ("content", "overrides", "message"),
    [
        ("include 'mine.gin'\n", [], "in a circle. Received .*mine.gin -> .*mine.gin. Remove"),
        ("include 'none.gin'\n", [], "An include in '.*mine.gin' must be an existing file"),
        ("BATCH_SIZE = [\n", [], "existing names only. Received .*mine.gin"),
        ("include 'finetune_table'\n", ["LR=1"], "Received 'LR'. Closest: LEARNING_RATE"),
        ("include 'finetune_table'\n", ["BS=1"], "Received 'BS'. Closest: BATCH_SIZE"),
        ("include 'finetune_table'\n", ["SEED"], "the form --gin.NAME=VALUE. Received --gin.SEED"),
    ],
)
def test_what_cannot_be_read_is_an_error(tmp_path, content, overrides, message):
    path = tmp_path / "mine.gin"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        gin_macros.find([str(path)], overrides)


def test_the_command_prints_them_without_tensorflow(tmp_path):
    code = (
        "import sys; from albert_tf.cli import main; main.run(main.parse(sys.argv)); "
        "assert 'tensorflow' not in sys.modules"
    )
    command = ["train", "--gin_file", "continue_pretraining", "--macros", "--gin.SEED=5"]
    result = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    begin = lines.index("must be set")
    required = lines[begin + 1 : lines.index("", begin)]
    assert [line.split()[0] for line in required if line[2] != " "] == [
        "TRAIN_DATA",
        "EVAL_DATA",
        "INIT_FROM",
    ]
    assert [line.split()[:4] for line in lines if line.startswith("  SEED ")] == [
        ["SEED", "5", "seed", "of"]
    ]
    assert "experiments/runs/pretrain.gin" in lines and max(map(len, lines)) <= 120


def test_long_names_and_values_keep_the_columns():
    lines = gin_macros.text(gin_macros.find(["pretrain_small"]), width=60).splitlines()
    assert max(map(len, lines)) <= 60
    columns = {len(line) - len(line.lstrip()) for line in lines if line.startswith("   ")}
    assert len(columns) == 1
    assert "  MODEL                @model_config.ModelConfig()" in lines


def test_a_run_needs_a_folder(capsys):
    assert main.run(main.parse(["albert-tf", "train", "--gin_file", "finetune_table"])) == 2
    assert "Received no --model_dir. Add --model_dir DIR." in capsys.readouterr().err
