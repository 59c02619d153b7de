"""Pretraining without gin: the example in the guide, and Model Garden's driver."""

import re
import shutil

import pytest
import tensorflow as tf
from official.core import exp_factory, task_factory
from official.core import train_lib as model_garden

from albert_tf.pretraining import experiment as pretraining_experiment
from albert_tf.tasks.model_config import ModelConfig
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
    assert len(list(filter(None, code.splitlines()))) == 10
    for name, value in SMALLER.items():
        code = re.sub(rf"{name}=\d+", f"{name}={value}", code)
    variables = {}
    exec(compile(code, "pretraining.md", "exec"), variables)
    assert 5 < variables["metrics"]["mlm_loss"] < 9
    assert (folder / "run/ckpt-2.index").is_file()


def test_model_gardens_driver_trains_the_experiment_by_name(folder):
    experiment = exp_factory.get_exp_config(pretraining_experiment.NAME)
    data = dict(seq_length=64, max_predictions_per_seq=10, global_batch_size=8)
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
