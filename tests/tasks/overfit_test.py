"""A tiny model overfits 64 sequences with any seed, which shows that pretraining works."""

import pytest
import tensorflow as tf
import tf_keras
from official.core import base_task

from albert_tf.pretraining.task import PretrainingConfig, PretrainingDataConfig, PretrainingTask
from albert_tf.tasks.model_config import ModelConfig
from albert_tf.training import optimization
from tests.support.paths import TESTDATA

RECORDS = TESTDATA / "pretraining_data/*.tfrecord"
STEPS = 100


@pytest.fixture(scope="module")
def learner():
    """The model, its optimizer and a compiled step on one batch, shared by all seeds."""
    data = PretrainingDataConfig(
        input_path=str(RECORDS), seq_length=64, max_predictions_per_seq=10,
        global_batch_size=64, seed=1,
    )  # fmt: skip
    sizes = dict(embedding_size=32, hidden_size=48, num_attention_heads=3, intermediate_size=192)
    model = ModelConfig(vocab_size=1000, num_hidden_layers=2, max_position_embeddings=64, **sizes)
    task = PretrainingTask(PretrainingConfig(model=model, train_data=data))
    (batch,) = task.build_inputs(data).take(1)
    model, metrics = task.build_model(), task.build_metrics()
    config = optimization.config("adamw", learning_rate=0.006, train_steps=STEPS, warmup_steps=20)
    optimizer = base_task.Task.create_optimizer(config)
    step = tf.function(lambda: task.train_step(batch, model, optimizer, metrics))
    step()
    return task, model, optimizer, metrics, step


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_tiny_model_overfits_64_sequences(learner, seed):
    task, model, optimizer, metrics, step = learner
    tf_keras.utils.set_random_seed(seed)
    model.set_weights(task.build_model().get_weights())
    for variable in optimizer.variables():
        variable.assign(tf.zeros_like(variable))
    for _ in range(STEPS):
        step()
    for metric in metrics:
        metric.reset_state()
    step()
    results = {metric.name: float(metric.result()) for metric in metrics}
    assert min(results["mlm_accuracy"], results["sop_accuracy"]) > 0.95, results
