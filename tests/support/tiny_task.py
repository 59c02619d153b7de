"""Trains a very small model on a task, in memory and in seconds."""

from pathlib import Path

import tensorflow as tf
import tf_keras

from albert_tf.tasks.model_config import ModelConfig
from albert_tf.training import run_folder
from tests.support.paths import TESTDATA

MODEL = dict(
    vocab_size=1000,
    embedding_size=16,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=48,
    max_position_embeddings=64,
    initializer_range=0.05,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)
VOCAB = TESTDATA / "tokenization/spm.model"


def task(cls, train_data="", eval_data="", seq_length=48, batch_size=16, model=MODEL, **config):
    """Returns a task that reads the given files and starts from random weights."""
    params = cls.config_class()(
        from_scratch=True, vocab_file=str(VOCAB), model=ModelConfig(**model), **config
    )
    for data, path in ((params.train_data, train_data), (params.validation_data, eval_data)):
        data.input_path, data.seq_length = str(path), seq_length
        data.global_batch_size, data.seed = batch_size, 0
    instance = cls(params)
    if train_data:
        instance.check()
    return instance


def metrics_of_seeds(task, steps, learning_rate=3e-3, seeds=3):
    """Trains a task with several seeds and returns the validation metrics of each."""
    return learn(task, steps, learning_rate, seeds)[1]


def learn(task, steps, learning_rate=3e-3, seeds=3):
    """Trains with several seeds; returns the model of the last seed and the metrics of all."""
    model = task.build_model()
    data = task.build_inputs(task.task_config.train_data)
    rate = tf_keras.optimizers.schedules.PolynomialDecay(learning_rate, steps, 0.0)
    optimizer = tf_keras.optimizers.legacy.Adam(rate)
    step = tf.function(
        lambda batch: task.train_step(batch, model, optimizer),
        input_signature=[data.element_spec],
    )
    all_metrics = []
    for seed in range(seeds):
        tf_keras.utils.set_random_seed(seed)
        for variable, value in zip(model.variables, task.build_model().variables):
            variable.assign(value)
        for variable in optimizer.variables():
            variable.assign(tf.zeros_like(variable))
        task.task_config.train_data.seed = seed
        for batch in task.build_inputs(task.task_config.train_data).take(steps):
            step(batch)
        all_metrics.append(evaluate(task, model))
    return model, all_metrics


def evaluate(task, model):
    """Returns the metrics of a model on the validation data of its task."""
    data = task.build_inputs(task.task_config.validation_data)
    step = tf.function(
        lambda batch: task.validation_step(batch, model), input_signature=[data.element_spec]
    )
    logs = None
    for batch in data:
        logs = task.aggregate_logs(logs, step(batch))
    return task.reduce_aggregated_logs(logs)


def assert_parts_sum_up(task):
    """Checks that the losses of two parts of a batch add up to that of the whole batch.

    Gradient accumulation requires this.
    """
    model = task.build_model()
    batch = next(iter(task.build_inputs(task.task_config.train_data)))
    counts = task.counts(batch)
    total = 0.0
    for part in (slice(None, 5), slice(5, None)):
        rows = {name: value[part] for name, value in batch.items()}
        total += float(task.build_losses(rows, model(rows), counts=counts))
    whole = float(task.build_losses(batch, model(batch)))
    assert abs(total - whole) < 1e-5 * abs(whole)
    return model, batch, whole


def save(task, model, folder):
    """Writes a model as a run does, so that other runs can start from it."""
    config = model.albert_config
    run_folder.write_model_files(Path(folder), config, task.folder_files())
    tf.train.Checkpoint(model=model, **model.checkpoint_items).save(f"{folder}/ckpt")
    return folder
