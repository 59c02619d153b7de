"""Hyperparameters in event files, read as TensorBoard reads them."""

import tensorflow as tf
from official.core import config_definitions
from tensorboard.plugins.hparams import plugin_data_pb2

from albert_tf.pretraining.task import PretrainingConfig
from albert_tf.tasks.model_config import ModelConfig
from albert_tf.training import hyperparameters, optimization


def experiment():
    task = PretrainingConfig(vocab_file="/home/me/my.model", model=ModelConfig(hidden_size=36))
    task.train_data.global_batch_size, task.train_data.seq_length = 24, 56
    optimizer = optimization.config("adamw", learning_rate=0.5, train_steps=70, warmup_steps=3)
    trainer = config_definitions.TrainerConfig(train_steps=70, optimizer_config=optimizer)
    return config_definitions.ExperimentConfig(task=task, trainer=trainer)


def test_hyperparameters_are_collected_without_paths_and_unused_optimizers():
    values = hyperparameters.of(experiment())
    wanted = {
        "task.model.hidden_size": 36,
        "task.accumulation_steps": 1,
        "train_data.global_batch_size": 24,
        "train_data.seq_length": 56,
        "train_steps": 70,
        "optimizer.type": "albert_adamw",
        "optimizer.weight_decay_rate": 0.01,
        "optimizer.exclude_from_weight_decay": "layer_norm, LayerNorm, bias",
        "learning_rate.warmup_steps": 3,
        "mixed_precision_dtype": "float32",
    }
    assert {name: values.get(name) for name in wanted} == wanted
    assert "/home/me" not in str(values) and "sgd" not in str(values)


def test_tensorboard_can_read_the_hyperparameters(tmp_path):
    hyperparameters.write(tmp_path, experiment())
    (path,) = (tmp_path / "train").glob("events.*")
    values, text = {}, ""
    for event in tf.compat.v1.train.summary_iterator(str(path)):
        for value in event.summary.value:
            content = value.metadata.plugin_data.content
            if value.metadata.plugin_data.plugin_name == "hparams":
                start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
                values |= {name: entry.number_value for name, entry in start.hparams.items()}
            elif value.tag == "hyperparameters":
                text = value.tensor.string_val[0].decode()
    assert values["task.model.hidden_size"] == 36 and values["learning_rate.warmup_steps"] == 3
    assert "| optimizer.type | albert_adamw |" in text
