"""The behaviour that all fine-tuning tasks share: starting points, results and prediction."""

import json
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

import albert_tf
from albert_tf.errors import InputError
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.classification.config import ClassificationConfig
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tasks.encoded_examples import Outputs
from albert_tf.tasks.model_config import ModelConfig
from albert_tf.tasks.multiple_choice.task import MultipleChoiceTask
from albert_tf.tasks.question_answering.task import QuestionAnsweringTask
from albert_tf.tasks.tagging.task import TaggingTask
from albert_tf.tokenization.settings import Preprocessing
from tests.support import choice_file, conll_file, squad_file, tiny_task

ROWS = ["the file,yes", "a list with one line,no", "from,yes", "this object,no", "Python,yes"]


def write(path, rows):
    path.write_text("\n".join(["text,label", *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A task, its fine-tuned model, and the folder where the model is saved."""
    root = tmp_path_factory.mktemp("weights")
    path = write(root / "data.csv", ROWS)
    task = tiny_task.task(ClassificationTask, path, path, seq_length=16, batch_size=2)
    (root / "model").mkdir()
    model = task.build_model()
    for variable in model.variables:
        variable.assign_add(tf.random.stateless_normal(variable.shape, [1, 2], stddev=0.1))
    return task, model, tiny_task.save(task, model, root / "model")


def started(folder, path, **config):
    params = ClassificationConfig(init_from=str(folder), **config)
    for data in (params.train_data, params.validation_data):
        data.input_path, data.global_batch_size, data.seq_length = str(path), 2, 16
    task = ClassificationTask(params)
    task.check()
    return task


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS, r"loaded variables: encoder \d+ of \d+, head 2 of 2, from"),
        (["x,good", "y,bad"], r"encoder (\d+) of \1; new: .*classifier/kernel"),
    ],
)
def test_the_head_of_the_weights_is_loaded_if_the_labels_are_the_same(
    weights, rows, message, tmp_path, capsys
):
    _, before, folder = weights
    task = started(folder, write(tmp_path / "data.csv", rows))
    model = task.build_model()
    task.initialize(model)
    assert re.search(message, capsys.readouterr().out)
    np.testing.assert_array_equal(
        model.encoder.get_embedding_table(), before.encoder.get_embedding_table()
    )
    assert np.array_equal(model.head.kernel, before.head.kernel) == (rows is ROWS)


def test_an_evaluation_without_training_data_uses_the_labels_of_the_weights(weights, tmp_path):
    params = ClassificationConfig(init_from=str(weights[2]))
    params.validation_data.input_path = str(write(tmp_path / "dev.csv", ["x,yes"]))
    params.validation_data.seq_length = 16
    task = ClassificationTask(params)
    task.check()
    assert task.describe().labels == ("no", "yes")


def test_dropout_rates_of_the_config_override_those_of_the_weights(weights, tmp_path):
    path = write(tmp_path / "data.csv", ROWS)
    task = started(weights[2], path, hidden_dropout=0.3, classifier_dropout=0.2)
    assert task.task_config.model.hidden_dropout_prob == 0.3
    assert task.task_config.model.attention_probs_dropout_prob == 0.0
    assert task.build_model().dropout_rate == 0.2


def test_a_run_resumes_from_its_own_folder(weights, tmp_path):
    folder = shutil.copytree(weights[2], tmp_path / "run")
    params = ClassificationConfig(init_from="elsewhere")
    params.train_data.input_path = str(write(tmp_path / "data.csv", ROWS))
    task = ClassificationTask(params, logging_dir=str(folder))
    assert task.start.resumes and task.describe().labels == ("no", "yes")
    params.model = ModelConfig(**{**tiny_task.MODEL, "hidden_size": 36})
    with pytest.raises(InputError, match="with the model in its folder.*hidden_size=36 here, 32"):
        ClassificationTask(params, logging_dir=str(folder)).check()


def refused(message, **config):
    with pytest.raises(InputError, match=message):
        ClassificationTask(ClassificationConfig(**config)).check()


def test_inconsistent_settings_are_errors_before_work_starts(weights, tmp_path):
    folder = weights[2]
    refused("must start from pretrained weights.*no INIT_FROM.*FROM_SCRATCH=True")
    refused("weights or from scratch. Received both", init_from=str(folder), from_scratch=True)
    refused("trained from scratch must have a vocabulary", from_scratch=True)
    vocab = str(tiny_task.VOCAB)
    refused("vocab_size=30000 .*1000 pieces", from_scratch=True, vocab_file=vocab)
    wide = ModelConfig(**{**tiny_task.MODEL, "hidden_size": 36})
    message = "the config of its initial weights.* with hidden_size=36 here, 32 there.*leave it out"
    refused(message, init_from=str(folder), model=wide)
    cased = str(tiny_task.VOCAB.with_name("spm_cased.model"))
    refused("the one that the weights were trained with", init_from=str(folder), vocab_file=cased)
    same = shutil.copy(vocab, tmp_path / "same.model")
    Preprocessing(keep_accents=True).to_json_file(tmp_path / "same.preprocess.json")
    refused("preprocessed the same way", init_from=str(folder), vocab_file=str(same))
    bare = shutil.copytree(folder, tmp_path / "bare")
    (bare / tiny_task.VOCAB.name).unlink()
    refused("must come with their vocabulary", init_from=str(bare))
    long = ClassificationConfig(init_from=str(folder))
    long.train_data.seq_length, long.train_data.input_path = 65, "data.csv"
    with pytest.raises(InputError, match="seq_length=65, max_position_embeddings=64"):
        ClassificationTask(long).check()
    for data, macro in ((long.train_data, "TRAIN_DATA"), (long.validation_data, "EVAL_DATA")):
        data.input_path = ""
        with pytest.raises(InputError, match=f"an empty {macro}. Set --gin.{macro}=FILE"):
            ClassificationTask(long).build_inputs(data)


def test_a_saved_model_keeps_labels_columns_and_sequence_length(weights):
    description = TaskDescription.beside(weights[2])
    assert (description.task, description.labels) == ("classification", ("no", "yes"))
    assert (description.settings["seq_length"], description.settings["text"]) == (16, "text")


def evaluated(task, scores):
    """Runs evaluations; `scores` has the number of right answers by step."""
    examples = task.examples(task.task_config.validation_data)
    wanted = examples.labels["label"]
    for step, right in scores.items():
        answers = np.where(np.arange(len(wanted)) < right, wanted, 1 - wanted)
        rows = {"example": [np.arange(len(wanted))], "logits": [np.eye(2)[answers]]}
        task.reduce_aggregated_logs([rows], step)


def test_a_later_session_keeps_the_best_evaluation_of_an_earlier_one(weights, tmp_path):
    folder = shutil.copytree(weights[2], tmp_path / "run")

    def start():
        params = ClassificationConfig()
        params.validation_data.input_path = str(write(tmp_path / "dev.csv", ROWS))
        params.validation_data.seq_length = 16
        return ClassificationTask(params, logging_dir=str(folder))

    first = start()
    evaluated(first, {2: 3, 4: 5, 6: 4})
    assert "confusion.png" in [path.name for path in first.write_results(folder)]
    second = start()
    evaluated(second, {6: 4, 8: 2})
    assert [path.name for path in second.write_results(folder)] == ["metrics.json"]
    assert "best evaluation by accuracy, step 4\n" in second.report({})
    values = json.loads((folder / "metrics.json").read_text())
    assert (values["best"]["step"], values["best"]["accuracy"]) == (4, 1.0)
    assert [entry["step"] for entry in values["history"]] == [2, 4, 6, 8]


def test_a_smaller_error_is_better_and_an_unknown_metric_is_an_error(weights, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("text,label\nthe file,0.5\na list,3\nfrom,2\n")
    task = started(weights[2], path, metric="mean_squared_error")
    for step, offset in ((1, 2.0), (2, 0.5), (3, 1.0)):
        logits = task.examples(task.task_config.validation_data).labels["label"] + offset
        rows = {"example": [np.arange(3)], "logits": [logits[:, np.newaxis]]}
        task.reduce_aggregated_logs([rows], step)
    assert task.results.best_entry["step"] == 2
    with pytest.raises(InputError, match="BEST_METRIC must be .* 'pearsn'. Closest: pearson"):
        started(weights[2], path, metric="pearsn")


def _table(folder, *rows):
    return write(folder / "a.csv", rows)


@pytest.mark.parametrize(
    ("cls", "make", "settings", "wrong", "message"),
    [
        (
            ClassificationTask,
            lambda f: _table(f, "a,x", "b,y"),
            {},
            "acuracy",
            "accuracy. All: acc",
        ),
        (
            ClassificationTask,
            lambda f: _table(f, "a,x;y", "b,long"),
            dict(label_separator=";"),
            "f1_lon",
            "Closest: f1_long, .*All: average_precision, .*f1_long, f1_x, f1_y, .*validation_loss",
        ),
        (ClassificationTask, lambda f: _table(f, "a,0.5", "b,2"), {}, "f1", "pearson"),
        (
            TaggingTask,
            lambda f: conll_file.write(f / "a.txt", 4, 1),
            {},
            "recal",
            "recall. All: accuracy, distinct_answers, f1, precision, recall, strict_f1, validati",
        ),
        (
            QuestionAnsweringTask,
            lambda f: squad_file.write(f / "a.json", 6, 1, 0.4),
            dict(doc_stride=6, max_query_length=8),
            "NoAns_F1",
            "NoAns_f1",
        ),
        (
            QuestionAnsweringTask,
            lambda f: squad_file.write(f / "b.json", 3, 2, 0.0),
            dict(doc_stride=6, max_query_length=8),
            "best_f1",
            " All: distinct_answers, exact, f1, total, validation_loss",
        ),
        (
            MultipleChoiceTask,
            lambda f: choice_file.race(f / "race", 5, 1),
            dict(max_qa_length=12),
            "hi_accuracy",
            "high_accuracy, .*middle_accuracy",
        ),
    ],
)
def test_the_metric_is_checked_before_training(cls, make, settings, wrong, message, tmp_path):
    path = make(tmp_path)
    with pytest.raises(
        InputError, match=f"BEST_METRIC must be a metric of the task. Received '{wrong}'.*{message}"
    ):
        tiny_task.task(cls, path, path, 24, metric=wrong, **settings)
    right = tiny_task.task(cls, path, path, 24, **settings)
    examples = right.examples(right.task_config.validation_data)
    names = list(right.baseline(examples))
    assert set(names) == set(tiny_task.evaluate(right, right.build_model()))
    for name in (names[-1], "validation_loss"):
        tiny_task.task(cls, path, path, 24, metric=name, **settings)


def test_outputs_of_steps_and_replicas_follow_the_order_of_the_examples():
    def part(*examples):
        return tf.constant(examples), tf.constant([[10.0 * e] for e in examples])

    (one, x), (two, y), (three, z) = part(3, 0), part(2), part(1, 3)
    steps = [{"example": (one, two), "logits": (x, y)}, {"example": (three,), "logits": (z,)}]
    outputs = Outputs.gather(steps)
    np.testing.assert_array_equal(outputs.examples, [0, 1, 2, 3])
    np.testing.assert_array_equal(outputs.stacked(), [[0], [10], [20], [30]])


def test_a_predictor_gives_the_answers_of_the_model(weights, tmp_path):
    _, model, folder = weights
    predictor = albert_tf.Predictor(folder)
    path = tmp_path / "new.csv"
    path.write_text("text\n" + "\n".join(row.split(",")[0] for row in ROWS) + "\n")
    answers = list(predictor(path, batch_size=2))
    tokenizer = albert_tf.AlbertTokenizer(tiny_task.VOCAB)
    logits = model(tokenizer([row.split(",")[0] for row in ROWS]))
    shares = tf.nn.softmax(logits).numpy()
    for answer, share in zip(answers, shares, strict=True):
        assert list(answer["probabilities"].values()) == pytest.approx(list(share), abs=1e-6)
        assert answer["label"] == ("no", "yes")[share.argmax()]
    with pytest.raises(InputError, match="batch_size must be at least 1. Received 0"):
        list(predictor(path, batch_size=0))
