from pathlib import Path

import numpy as np
import pytest

import albert_tf
from albert_tf.errors import InputError
from albert_tf.tasks.encoded_examples import Outputs
from albert_tf.tasks.tagging import conll
from albert_tf.tasks.tagging import metrics as tagging_metrics
from albert_tf.tasks.tagging.task import TaggingTask
from tests.support import conll_file, tiny_task


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    root = tmp_path_factory.mktemp("conll")
    (root / "model").mkdir()
    train, dev = (
        conll_file.write(root / "train.txt", 200, 1),
        conll_file.write(root / "dev.txt", 50, 2),
    )
    task = tiny_task.task(TaggingTask, train, dev, seq_length=16)
    model, metrics = tiny_task.learn(task, 40, learning_rate=5e-3)
    return task, metrics, tiny_task.save(task, model, root / "model")


def test_a_tiny_model_learns_tags_with_every_seed(learned):
    task, metrics, _ = learned
    examples = task.examples(task.task_config.validation_data)
    assert len(examples) > 55  # Some sentences continue in a second row.
    assert min(m["f1"] for m in metrics) > 0.9
    assert task.describe().labels == ("O", "B-ORG", "B-PER", "I-ORG") and task.metric == "f1"


def test_results_have_a_report_and_a_plot(learned, tmp_path):
    task, *_ = learned
    names = {path.name for path in task.write_results(tmp_path)}
    assert names == {"metrics.json", "confusion.png"}
    assert "ORG" in task.report({}) and "micro avg" in task.report({})


def test_a_saved_model_labels_words(learned, tmp_path):
    task, metrics, folder = learned
    sentences = list(conll.read(Path(task.task_config.validation_data.input_path)))
    path = tmp_path / "words.txt"
    path.write_text("\n\n".join("\n".join(sentence.words) for sentence in sentences))
    answers = list(albert_tf.Predictor(folder)(path, batch_size=7))
    assert [answer["words"] for answer in answers] == [list(s.words) for s in sentences]
    labels = [answer["labels"] for answer in answers]
    scores = tagging_metrics.of_tags([list(s.labels) for s in sentences], labels)
    assert scores["f1"] == pytest.approx(metrics[-1]["f1"]) and scores["f1"] > 0.9


def test_words_from_standard_input_are_labelled(learned, answers_of_stdin):
    answers = answers_of_stdin(learned[2], "see\nMouse\n\nhas\n")
    assert [answer["words"] for answer in answers] == [["see", "Mouse"], ["has"]]
    assert answers[0]["labels"] == ["O", "B-PER"]


def test_answers_keep_the_lines_of_the_words(learned, tmp_path):
    task, *_ = learned
    path = tmp_path / "words.txt"
    path.write_text("\n\nsee\nMouse\n\n \t\n\nhas\n\n\n")
    answers = list(albert_tf.Predictor(learned[2])(path))
    assert [answer["line"] for answer in answers] == [3, 8]
    lines = task.answer_file(".txt").text(answers).splitlines()
    assert [line.split("\t")[0] for line in lines] == ["", "", "see", "Mouse", *[""] * 3, "has"]
    twice = task.answer_file(".txt").text([*answers, *answers]).splitlines()
    assert twice == [*lines, "", *lines]


def test_each_word_is_labelled_by_its_first_token(learned, tmp_path):
    task, *_ = learned
    path = tmp_path / "words.txt"
    words = [("see", "\u0301", "Pythön", "1,000,", *["line"] * 20, "Mouse"), ("has",)]
    path.write_text("\n\n".join("\n".join(sentence) for sentence in words))
    params = task.task_config.validation_data.replace(input_path=str(path))
    examples = task.read(params, labelled=False)
    assert len(examples) == 4 and "label" not in examples.labels
    # The label at each position is the id of its token modulo the number of labels.
    rows = examples.batch(np.arange(4))["input_word_ids"]
    logits = np.eye(4)[rows % 4]
    outputs = Outputs.gather([{"example": np.arange(4), "logits": logits}])
    answers = list(task.answers(examples, outputs))
    labels, spm = task.describe().labels, task.tokenizer
    for sentence, answer in zip(words, answers, strict=True):
        assert answer["words"] == list(sentence)
        first = [(spm.encode(word) or [spm.unk_id])[0] for word in sentence]
        assert answer["labels"] == [labels[token % 4] for token in first]
    path.write_text(task.answer_file(".txt").text(answers))
    read = [(list(s.words), list(s.labels)) for s in conll.read(path)]
    assert read == [(answer["words"], answer["labels"]) for answer in answers]


def test_losses_of_micro_batches_sum_to_the_batch_loss(learned):
    task, *_ = learned
    model, batch, whole = tiny_task.assert_parts_sum_up(task)
    logits, labels = model(batch).numpy(), batch["label"].numpy()
    losses = [
        np.log(np.exp(logits[row, position]).sum()) - logits[row, position, label]
        for (row, position), label in np.ndenumerate(labels)
        if label >= 0
    ]
    assert (
        16 < len(losses) < labels.size - 2 * 16
    )  # Special tokens and later tokens of words do not count.
    assert whole == pytest.approx(np.mean(losses), rel=1e-5)


def test_an_error_names_a_label_missing_from_training(learned, tmp_path):
    task, *_ = learned
    path = tmp_path / "dev.txt"
    path.write_text("see X O\nBo X B-PRE\n")
    params = task.task_config.validation_data.replace(input_path=str(path))
    with pytest.raises(InputError, match=r"'B-PRE' at '.*dev.txt' line 2. Closest: B-PER"):
        task.read(params)


def test_cut_words_are_reported(learned, tmp_path):
    task, *_ = learned
    path = tmp_path / "words.txt"
    path.write_text("qwertyuiopasdfghjklzxcvbnm\n")
    params = task.task_config.validation_data.replace(input_path=str(path))
    report = task.read(params, labelled=False).report
    assert str(report) == (
        "1 sentence(s) have a word cut to seq_length: qwertyuiopasdfghjklzxcvbnm"
    )


def test_an_empty_file_is_an_error(learned, tmp_path):
    task, *_ = learned
    (tmp_path / "dev.txt").write_text("-DOCSTART- O\n\n")
    params = task.task_config.validation_data.replace(input_path=str(tmp_path / "dev.txt"))
    with pytest.raises(InputError, match=r"must contain examples.*Received 0 .*in .*dev.txt"):
        task.examples(params)


def test_labels_without_training_data_must_come_from_weights_or_config():
    task = tiny_task.task(TaggingTask)
    message = "Received an empty TRAIN_DATA and weights for no task. Set TRAIN_DATA"
    with pytest.raises(InputError, match=message):
        task.describe()
    assert tiny_task.task(TaggingTask, labels=["X", "Y"]).describe().labels == ("X", "Y")
