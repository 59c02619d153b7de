"""The wheel: its contents, and a recipe run from an installation elsewhere."""

import os
import subprocess
import sys
import zipfile

import pytest

from tests.support.paths import ROOT, TESTDATA

# Runs from the installed wheel. tests/training/recipes_test.py covers the other recipes.
DRY_RUN = """
import sys
import albert_tf
from albert_tf.cli import main
from albert_tf.training import gin_files
assert albert_tf.__file__.startswith(sys.argv[1]), albert_tf.__file__
import albert_tf.export.command
for path in gin_files.recipes().values():
    assert str(path).startswith(sys.argv[1]), path
train = ["albert-tf", "train", "--gin_file", "pretrain_tiny", "--model_dir", "run", "--dry_run"]
args = main.parse(train + ["--gin." + macro for macro in sys.argv[2:]])
args.run(args)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


@pytest.mark.clean_process
def test_the_wheel_contains_only_albert_tf_with_all_gin_files_and_exporters(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"albert_tf", next(t for t in tops if t.endswith(".dist-info"))}
    in_wheel = {n for n in names if n.endswith(".gin")}
    in_checkout = (ROOT / "experiments").rglob("*.gin")
    assert in_wheel == {f"albert_tf/{p.relative_to(ROOT)}" for p in in_checkout}
    sources = {f"albert_tf/export/{p.name}" for p in (ROOT / "export").glob("*.py")}
    assert sources <= set(names)


@pytest.mark.clean_process
def test_a_dry_run_of_a_recipe_works_from_the_wheel(wheel, tmp_path):
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    macros = dict(
        VOCAB=TESTDATA / "tokenization/spm.model",
        TRAIN_DATA=TESTDATA / "pretraining_data/*.tfrecord",
        EVAL_DATA=TESTDATA / "pretraining_data/*.tfrecord",
        VOCAB_SIZE=1000,
    )
    result = subprocess.run(
        [sys.executable, "-c", DRY_RUN, str(site), *(f"{k}={v}" for k, v in macros.items())],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert "trainable parameters" in result.stdout
    assert os.listdir(elsewhere) == []
