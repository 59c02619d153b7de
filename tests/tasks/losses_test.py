"""Label smoothing and class weights change the loss of training, and of training only."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf.errors import InputError
from albert_tf.tasks import losses
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tasks.encoded_examples import Outputs
from albert_tf.tasks.multiple_choice.task import MultipleChoiceTask
from albert_tf.tasks.tagging.task import TaggingTask
from albert_tf.training import gin_files
from tests.support import choice_file, tiny_task

RNG = np.random.default_rng(3)


def log_shares(logits):
    powers = np.exp(np.asarray(logits, np.float64))
    return np.log(powers / powers.sum(-1, keepdims=True))


def both_losses(task, logits):
    """Returns the loss of the first batch of training, and of the same batch in evaluation."""
    config = task.task_config
    found = []
    for params in (config.train_data, config.validation_data):
        examples = task.examples(params)
        batch = examples.batch(np.arange(len(examples)))
        found.append(float(task.build_losses(batch, tf.constant(logits, tf.float32))))
    return found


def test_smoothed_cross_entropy_equals_that_of_keras():
    targets, logits = RNG.integers(0, 4, [5]), RNG.normal(size=[5, 4]).astype(np.float32)
    keras = tf_keras.losses.CategoricalCrossentropy(True, label_smoothing=0.3, reduction="none")
    expected = keras(tf.one_hot(targets, 4), logits)
    found = losses.cross_entropy(targets, logits, np.full(5, 0.3, np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_classes_are_smoothed_and_weighted_together(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,x\nb,x\nc,y\nd,z\n")
    task = tiny_task.task(
        ClassificationTask, path, path, label_smoothing=0.2, class_weights={"y": 3.0}
    )
    logits, wanted = RNG.normal(size=[4, 3]), [0, 0, 1, 2]
    of_each = -log_shares(logits)
    plain = of_each[np.arange(4), wanted]
    smooth = 0.8 * plain + 0.2 * of_each.mean(1)
    expected = [np.mean(smooth * [1, 1, 3, 1]), plain.mean()]
    assert both_losses(task, logits) == pytest.approx(expected, rel=1e-5)


def test_several_labels_are_smoothed(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,x;z\nb,\nc,y\n")
    task = tiny_task.task(ClassificationTask, path, path, label_smoothing=0.2, label_separator=";")
    logits = RNG.normal(size=[3, 3])
    targets = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    shares = 1 / (1 + np.exp(-logits))

    def loss(targets):
        return -np.mean(targets * np.log(shares) + (1 - targets) * np.log(1 - shares))

    found = both_losses(task, logits)
    assert found == pytest.approx([loss(targets * 0.8 + 0.1), loss(targets)], rel=1e-5)


@pytest.mark.parametrize(
    ("setting", "weights"), [({"B": 4, "O": 0.5}, (0.5, 4, 1)), ("balanced", (5 / 9, 5 / 3, 5 / 3))]
)
def test_words_are_smoothed_and_weighted(setting, weights, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("the O\nobject B\nfrom O\nPython I\n\nthis O\n")
    task = tiny_task.task(
        TaggingTask, path, path, seq_length=20, label_smoothing=0.1, class_weights=setting
    )
    assert task.describe().labels == ("O", "B", "I")
    train = task.examples(task.task_config.train_data)
    tags = train.labels["label"].padded(np.arange(2), int(train.lengths.max()), -1)
    width = -(-tags.shape[1] // 4) * 4
    tags = np.pad(tags, [[0, 0], [0, width - tags.shape[1]]], constant_values=-1)
    wanted = tags[tags >= 0]
    assert wanted.tolist() == [0, 1, 0, 2, 0]
    logits = RNG.normal(size=[2, width, 3])
    of_each = -log_shares(logits)[tags >= 0]
    plain = of_each[np.arange(5), wanted]
    smooth = 0.9 * plain + 0.1 * of_each.mean(1)
    expected = [np.mean(smooth * np.array(weights)[wanted]), plain.mean()]
    assert both_losses(task, logits) == pytest.approx(expected, rel=1e-5)
    batch = next(iter(task.build_inputs(task.task_config.train_data)))
    assert batch["weight"].dtype == tf.float32  # The pipeline takes the weights.


def test_choices_that_exist_are_smoothed(tmp_path):
    path = choice_file.swag(tmp_path / "a.csv", 5, 1)
    task = tiny_task.task(MultipleChoiceTask, path, path, label_smoothing=0.3, max_qa_length=20)
    examples = task.examples(task.task_config.train_data)
    examples.labels["choices"][2, 3] = 0  # An item with three choices.
    examples.labels["label"][2] = 1
    logits = RNG.normal(size=[5, 4])
    exists = examples.labels["choices"] > 0
    rows = zip(logits, exists, examples.labels["label"])
    expected = []
    for row, kept, label in rows:
        of_each = -log_shares(row[kept])
        expected.append(0.7 * of_each[label] + 0.3 * of_each.mean())
    batch = examples.batch(np.arange(5))
    found = float(task.build_losses(batch, tf.constant(logits, tf.float32)))
    assert found == pytest.approx(np.mean(expected), rel=1e-5)
    assert "smoothing" not in task.examples(task.task_config.validation_data).labels


@pytest.mark.parametrize("value", [1, 1.5, -0.1, "0.1", True, [0.1]])
def test_smoothing_is_a_share(value, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,x\nb,y\n")
    with pytest.raises(InputError, match=r"share from 0 to less than 1. Received .*\. Set it to"):
        tiny_task.task(ClassificationTask, path, path, label_smoothing=value)


def test_numbers_have_no_smoothing(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,0.5\nb,2\n")
    with pytest.raises(InputError, match="needs classes or labels. Received 0.1 for numbers"):
        tiny_task.task(ClassificationTask, path, path, label_smoothing=0.1)


def test_labels_that_were_never_found_are_said(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,x\nb,y\nc,y\nd,x\ne,z\n")
    task = tiny_task.task(ClassificationTask, path, path)
    examples = task.examples(task.task_config.validation_data)
    rows = np.eye(3, dtype=np.float32)[[0, 0, 2, 0, 2]]
    text = task.details(examples, Outputs(np.arange(5), {"logits": list(rows)}))
    assert (
        "WARNING: the recall of 'y' is 0: none of 2 example(s) was found. "
        "Set CLASS_WEIGHTS='balanced', or train for more steps."
    ) in text and text.count("WARNING") == 1
    path.write_text("text,label\na,x;z\nb,x\nc,y\n")
    task = tiny_task.task(ClassificationTask, path, path, label_separator=";")
    rows = np.float32([[2, -1, -1], [3, -2, -1], [-1, 1, 2]])
    examples = task.examples(task.task_config.validation_data)
    text = task.details(examples, Outputs(np.arange(3), {"logits": list(rows)}))
    assert "the recall of 'z' is 0: none of 1 example(s) was found. Lower THRESHOLD" in text
    assert text.count("WARNING") == 1


@pytest.mark.parametrize(
    ("recipe", "macro"),
    [
        ("finetune_swag", "CLASS_WEIGHTS=balanced"),
        ("finetune_squad1", "LABEL_SMOOTHING=0.1"),
        ("finetune_conll2003", "WINDOWS=mean"),
    ],
)
def test_tasks_refuse_what_has_no_meaning_for_them(recipe, macro):
    data = ["FROM_SCRATCH=True", "TRAIN_DATA=x", "EVAL_DATA=y"]
    with pytest.raises(InputError, match=f"Received .*{macro.split('=')[0]}"):
        gin_files.parse([recipe], [*data, macro])
