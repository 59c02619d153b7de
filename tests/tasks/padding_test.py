"""Removing padding does not change the loss or the gradients of any task."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tasks.multiple_choice.task import MultipleChoiceTask
from albert_tf.tasks.question_answering.joint_task import JointQuestionAnsweringTask
from albert_tf.tasks.question_answering.task import QuestionAnsweringTask
from albert_tf.tasks.tagging.task import TaggingTask
from tests.support import choice_file, conll_file, squad_file, tiny_task


def table(path, count, seed):
    """Writes a CSV file of texts with different lengths."""
    rows = [f"{' the file' * (number + seed)},{number % 3}" for number in range(count)]
    path.write_text("\n".join(["text,label", *rows]) + "\n")
    return path


def unanswered(path, count, seed):
    return squad_file.write(path, count, seed, impossible=0.4)


@pytest.mark.parametrize(
    ("cls", "write", "ending", "sizes"),
    [
        (ClassificationTask, table, ".csv", {}),
        (MultipleChoiceTask, choice_file.swag, ".csv", dict(max_qa_length=20)),
        (TaggingTask, conll_file.write, ".txt", {}),
        (QuestionAnsweringTask, squad_file.write, ".json", dict(max_query_length=8)),
        (JointQuestionAnsweringTask, unanswered, ".json", dict(max_query_length=8)),
    ],
)
def test_removing_padding_keeps_loss_and_gradients(cls, write, ending, sizes, tmp_path):
    path = write(tmp_path / f"data{ending}", 6, 1)
    task = tiny_task.task(
        cls, path, path, seq_length=28, batch_size=6, classifier_dropout=0.0, **sizes
    )
    model = task.build_model()
    tf_keras.utils.set_random_seed(3)
    for variable in model.trainable_variables:  # Zeros and ones could hide errors.
        variable.assign_add(tf.random.normal(variable.shape, stddev=0.1))
    batch = next(iter(task.build_inputs(task.task_config.train_data.replace(bucketed=False))))
    assert tf.reduce_mean(tf.cast(batch["input_mask"], tf.float32)) < 0.9
    results = {}
    for remove_padding in (True, False):
        model.encoder.remove_padding = remove_padding
        with tf.GradientTape() as tape:
            loss = task.build_losses(batch, task.forward(model, batch))
        gradients = tape.gradient(loss, model.trainable_variables)
        gradients = [tf.convert_to_tensor(g) for g in gradients if g is not None]
        results[remove_padding] = loss, *gradients
    assert len(results[True]) == len(results[False]) > 15
    for value, expected in zip(results[True], results[False]):
        np.testing.assert_allclose(value, expected, atol=2e-6)
