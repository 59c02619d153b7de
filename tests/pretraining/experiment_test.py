"""The guide's examples of pretraining, in Python and in the shell, and Model Garden's driver."""

import gzip
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import tensorflow as tf
from official.core import exp_factory, task_factory
from official.core import train_lib as model_garden

from albert_tf.pretraining import experiment as pretraining_experiment
from albert_tf.tasks.model_config import ModelConfig
from tests.support.commands import call
from tests.support.paths import ROOT, TESTDATA

SMALLER = {"batch_size": 8, "train_steps": 2, "warmup_steps": 1, "vocab_size": 1000}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the guide uses."""
    for part in ("train", "eval"):
        (tmp_path / "data" / part).mkdir(parents=True)
        records = next((TESTDATA / "pretraining_data").glob("*.tfrecord"))
        shutil.copy(records, tmp_path / "data" / part)
    shutil.copy(TESTDATA / "tokenization/spm.model", tmp_path / "my.model")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_example_in_the_guide_trains(folder):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/pretraining.md").read_text(), re.S)
    assert len(list(filter(None, code.splitlines()))) == 9
    for name, value in SMALLER.items():
        code = re.sub(rf"{name}=\d+", f"{name}={value}", code)
    variables = {}
    exec(compile(code, "pretraining.md", "exec"), variables)
    assert 5 < variables["metrics"]["mlm_loss"] < 9
    assert (folder / "run/ckpt-2.index").is_file()


def test_model_gardens_driver_trains_the_experiment_by_name(folder):
    experiment = exp_factory.get_exp_config(pretraining_experiment.NAME)
    data = dict(global_batch_size=8)  # The lengths are those of the records.
    sizes = ModelConfig(vocab_size=1000, hidden_size=24, num_hidden_layers=2, num_attention_heads=3)
    experiment.task.override(dict(vocab_file="my.model", model=sizes.as_dict()))
    experiment.task.train_data.override(dict(input_path="data/train/*", **data))
    experiment.task.validation_data.override(dict(input_path="data/eval/*", **data))
    experiment.trainer.override(dict(train_steps=2, steps_per_loop=1, validation_steps=2))
    experiment.validate()
    model, logs = model_garden.run_experiment(
        distribution_strategy=tf.distribute.get_strategy(),
        task=task_factory.get_task(experiment.task, logging_dir="theirs"),
        mode="train_and_eval",
        params=experiment,
        model_dir="theirs",
        run_post_eval=True,
    )
    assert 5 < logs["mlm_loss"] < 9 and "sop_majority_accuracy" in logs
    assert model.albert_config.hidden_size == 24
    assert (folder / "theirs/ckpt-2.index").is_file()


def commands_of(page, heading):
    """The commands of a section, each as a list of words."""
    section = (ROOT / page).read_text(encoding="utf-8").split(f"\n## {heading}\n")[1]
    section = section.split("\n## ")[0]
    blocks = "\n".join(re.findall(r"```shell\n(.*?)```", section, re.DOTALL))
    return [shlex.split(line)[1:] for line in blocks.splitlines() if line]


def test_the_guide_continues_from_a_released_model(released, monkeypatch, capsys):
    """Every command runs on the quickstart's model, and the held-out loss falls."""
    monkeypatch.chdir(released)
    (released / "field").mkdir()
    with gzip.open(TESTDATA / "pretraining_data/corpus.txt.gz", "rt") as file:
        documents = file.read().split("\n\n")
    for name, part in (("train", documents[:-20]), ("heldout", documents[-20:])):
        (released / f"field/{name}.txt").write_text("\n\n".join(part))
    rows = [f"{n} is the {word},{word}" for word in ("length", "sum") for n in range(12)]
    (released / "field/reviews.csv").write_text("\n".join(["text,label", *rows]))
    smaller = {
        "continue_pretraining": dict(
            TRAIN_STEPS=24, WARMUP_STEPS=2, EVAL_INTERVAL=12, BATCH_SIZE=16, LEARNING_RATE=2e-3
        ),
        "finetune_table": dict(EPOCHS=1, EVALUATIONS=1),
    }
    losses = []
    for words in commands_of("docs/pretraining.md", "Continue from a released model"):
        if words[0] == "train":
            changes = smaller[words[words.index("--gin_file") + 1]]
            words = [*words, *(f"--gin.{name}={value}" for name, value in changes.items())]
        capsys.readouterr()
        call(*words)
        losses += re.findall(r"^mlm_loss +([\d.]+)", capsys.readouterr().out, re.MULTILINE)
    before, after = map(float, losses)
    assert after < before - 0.1
    assert float(json.loads(Path("runs/field/best/info.json").read_text())["mlm_loss"]) < before
    assert Path("runs/reviews/task.json").is_file()
