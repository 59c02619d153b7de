"""Pretraining recipes: their header comments and a dry run of each."""

import re

import pytest
import tensorflow as tf

from albert_tf import AlbertPretrainer, presets, train_lib
from albert_tf.training import gin_files
from tests.support.paths import TESTDATA

RECIPES = {name: path for name, path in gin_files.recipes().items() if "pretrain" in name}
RELEASED = [f"{size}_v{v}" for size in ("base", "large", "xlarge", "xxlarge") for v in (1, 2)]
# Lan et al. 2020, section 4.1; steps of version 2 and of xxlarge: the original's README.
STEPS = {"base_v2": 10_000_000, "xxlarge_v1": 1_500_000}


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """Returns a checkpoint for `continue_pretraining`, with the vocabulary size of the records."""
    folder = tmp_path_factory.mktemp("released")
    sizes = dict(vocab_size=1000, embedding_size=12, hidden_size=20, num_hidden_layers=1)
    model = AlbertPretrainer(sizes | dict(num_attention_heads=5, intermediate_size=30))
    model.albert_config.to_json_file(folder / "albert_config.json")
    tf.train.Checkpoint(model=model, **model.checkpoint_items).save(str(folder / "ckpt"))
    return folder


def dry_run(name, released, capsys):
    """Returns the output of a dry run on records written by the original code."""
    macros = dict(
        VOCAB=TESTDATA / "tokenization/spm.model",
        TRAIN_DATA=TESTDATA / "pretraining_data/*.tfrecord",
        EVAL_DATA=TESTDATA / "pretraining_data/*.tfrecord",
        **{"INIT_FROM": released} if name == "continue_pretraining" else {"VOCAB_SIZE": 1000},
    )
    gin_files.parse([name], [f"{macro}={value}" for macro, value in macros.items()])
    gin_files.configured(train_lib.run)(mode="train", model_dir="none", only_describe=True)
    return capsys.readouterr().out


def test_there_is_a_recipe_for_each_released_model():
    others = {"pretrain_tiny", "pretrain_small", "continue_pretraining"}
    assert set(RECIPES) == others | {f"pretrain_{name}" for name in RELEASED}


@pytest.mark.parametrize("name", RELEASED)
def test_recipes_of_released_models_use_their_sizes_and_the_papers_settings(name, released, capsys):
    text = dry_run(f"pretrain_{name}", released, capsys)
    preset = presets.get(f"albert_{name}")
    hidden, width = preset.config.hidden_size, preset.config.embedding_size
    count = preset.parameters - (30000 - 1000) * width
    count += hidden * width + 3 * width + 1000 + 2 * hidden + 2  # the two heads
    steps = STEPS.get(name, 125_000 if name.endswith("v1") else 3_000_000)
    assert f"AlbertPretrainer, {count:,} trainable parameters" in text
    assert f"steps        {steps:,}, " in text
    assert "batch        4096 per step (global): 1 replica(s) x 1 micro-batch(es) x 4096" in text
    rate = f"initial_learning_rate 0.00176, decay_steps {steps}, warmup_steps 3125"
    assert f"optimizer    albert_lamb, albert_polynomial: {rate}" in text


@pytest.mark.parametrize("name", ["pretrain_tiny", "pretrain_small", "continue_pretraining"])
def test_a_dry_run_of_the_other_recipes_works(name, released, capsys):
    text = dry_run(name, released, capsys)
    assert "optimizer    albert_adamw, albert_polynomial" in text
    assert re.search(r"mlm_logits +float32 \(\d+, 10, 1000\)", text)
    if name == "continue_pretraining":  # the sizes come from the model it starts from
        assert "sequence_output         float32 (256, 64, 20)" in text


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_starts_with_its_command_hardware_and_measured_results(name):
    head = RECIPES[name].read_text().split("include")[0]
    assert f"albert-tf train --gin_file {name} " in head
    assert "# hardware  " in head and "# measured  " in head
