"""Training a very small model on a task, in memory and in seconds."""

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


def task(cls, train_data="", eval_data="", seq_length=48, batch_size=16, **config):
    """A task with random weights on files of the given paths."""
    params = cls.config_class()(
        from_scratch=True, vocab_file=str(VOCAB), model=ModelConfig(**MODEL), **config
    )
    for data, path in ((params.train_data, train_data), (params.validation_data, eval_data)):
        data.input_path, data.seq_length = str(path), seq_length
        data.global_batch_size, data.seed = batch_size, 0
    found = cls(params)
    if train_data:
        found.check()
    return found


def metrics_of_seeds(found, steps, learning_rate=3e-3, seeds=3):
    """The metrics of a task on its validation data after training with each of some seeds."""
    return learn(found, steps, learning_rate, seeds)[1]


def learn(found, steps, learning_rate=3e-3, seeds=3):
    """The model of the last seed, and the metrics of all."""
    model = found.build_model()
    data = found.build_inputs(found.task_config.train_data)
    rate = tf_keras.optimizers.schedules.PolynomialDecay(learning_rate, steps, 0.0)
    optimizer = tf_keras.optimizers.legacy.Adam(rate)
    step = tf.function(
        lambda batch: found.train_step(batch, model, optimizer),
        input_signature=[data.element_spec],
    )
    all_metrics = []
    for seed in range(seeds):
        tf_keras.utils.set_random_seed(seed)
        for variable, value in zip(model.variables, found.build_model().variables):
            variable.assign(value)
        for variable in optimizer.variables():
            variable.assign(tf.zeros_like(variable))
        found.task_config.train_data.seed = seed
        for batch in found.build_inputs(found.task_config.train_data).take(steps):
            step(batch)
        all_metrics.append(evaluate(found, model))
    return model, all_metrics


def evaluate(found, model):
    """The metrics of a model on the validation data of its task."""
    data = found.build_inputs(found.task_config.validation_data)
    step = tf.function(
        lambda batch: found.validation_step(batch, model), input_signature=[data.element_spec]
    )
    logs = None
    for batch in data:
        logs = found.aggregate_logs(logs, step(batch))
    return found.reduce_aggregated_logs(logs)


def assert_parts_sum_up(found):
    """Losses of two parts of a batch add up to that of the whole, as accumulation needs it."""
    model = found.build_model()
    batch = next(iter(found.build_inputs(found.task_config.train_data)))
    counts = found.counts(batch)
    total = 0.0
    for part in (slice(None, 5), slice(5, None)):
        rows = {name: value[part] for name, value in batch.items()}
        total += float(found.build_losses(rows, model(rows), counts=counts))
    whole = float(found.build_losses(batch, model(batch)))
    assert abs(total - whole) < 1e-5 * abs(whole)
    return model, batch, whole


def save(found, model, folder):
    """Writes a model as a run does, so that other runs may begin with it."""
    config = model.albert_config
    run_folder.write_model_files(Path(folder), config, found.folder_files())
    tf.train.Checkpoint(model=model, **model.checkpoint_items).save(f"{folder}/ckpt")
    return folder
