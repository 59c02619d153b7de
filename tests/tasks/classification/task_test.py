"""Classification and regression: layouts of GLUE, metrics, training with three seeds, errors."""

import json
import random

import numpy as np
import pytest

from albert_tf.errors import InputError
from albert_tf.tasks.classification import glue
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tasks.encoded_examples import EncodedExamples, Outputs
from albert_tf.tasks.fine_tuning_config import FineTuningDataConfig
from tests.support import glue_file, tfds_set, tiny_task

# Words of one token each, so that the task is easy to learn.
WORDS = ["the", "with", "from", "see", "this", "has", "one", "line"]
CLASSES = {"io": ["file", "list"], "code": ["object", "Python"]}


def texts(count, seed):
    """Yields texts and labels; one word in each text determines its label."""
    rng = random.Random(seed)
    for _ in range(count):
        label = rng.choice(list(CLASSES))
        words = rng.choices(WORDS, k=rng.randint(2, 10))
        words.insert(rng.randint(0, len(words)), rng.choice(CLASSES[label]))
        yield " ".join(words), label


def table(path, count, seed):
    lines = [json.dumps(dict(text=text, label=label)) for text, label in texts(count, seed)]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    root = tmp_path_factory.mktemp("table")
    train, dev = table(root / "train.jsonl", 320, 1), table(root / "dev.jsonl", 60, 2)
    task = tiny_task.task(ClassificationTask, train, dev, seq_length=16)
    return task, tiny_task.metrics_of_seeds(task, 120)


def test_a_tiny_model_learns_classes_with_every_seed(learned):
    task, metrics = learned
    assert task.describe().labels == ("code", "io")
    assert all(m["accuracy"] > 0.9 for m in metrics), metrics


def test_the_best_evaluation_is_reported_as_text_json_and_plots(learned, tmp_path):
    task, metrics = learned
    best = max(m["accuracy"] for m in metrics)
    text = task.report(metrics[-1])
    assert "best evaluation by accuracy\n  metric" in text
    assert (
        f"\n  accuracy                  {best:9.4f}    0.5" in text
        and "nothing learned" not in text
    )
    assert "rows: the label; columns: the answer" in text and "collapsed" not in text
    paths = task.write_results(tmp_path)
    names = ["metrics.json", "confusion.png", "precision_recall.png"]
    assert [path.name for path in paths] == names
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in paths[1:])
    written = json.loads(paths[0].read_text())
    assert written["best"]["accuracy"] == best and len(written["history"]) == 3


def outputs(logits):
    logits = np.asarray(logits, np.float32)
    return Outputs(np.arange(len(logits)), {"logits": list(logits)})


def examples(labels, groups=None):
    groups = groups or [""] * len(labels)
    rows = [type("Row", (), dict(group=group))() for group in groups]
    labels = np.asarray(labels)
    return EncodedExamples([[2, 3]] * len(labels), labels={"label": labels}, sources=rows)


def confusion(wanted, predicted, count):
    counts = np.zeros([count, count])
    np.add.at(counts, (wanted, predicted), 1)
    return counts


def test_metrics_of_two_classes_equal_their_formulas(learned):
    rng = np.random.default_rng(3)
    wanted, logits = rng.integers(0, 2, 60), rng.normal(size=[60, 2])
    metrics = learned[0].evaluate(examples(wanted), outputs(logits))
    (tn, fp), (fn, tp) = confusion(wanted, logits.argmax(1), 2)
    root = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert metrics == pytest.approx(
        dict(
            accuracy=(tp + tn) / 60,
            f1=2 * tp / (2 * tp + fp + fn),
            matthews_correlation=(tp * tn - fp * fn) / root,
            majority_accuracy=max(wanted.mean(), 1 - wanted.mean()),
            distinct_answers=2,
        )
    )


def test_metrics_of_three_classes_equal_their_formulas(learned):
    rng = np.random.default_rng(4)
    wanted, logits = rng.integers(0, 3, 70), rng.normal(size=[70, 3])
    metrics = learned[0].evaluate(examples(wanted), outputs(logits))
    counts = confusion(wanted, logits.argmax(1), 3)
    hits, of_label, of_answer = counts.diagonal(), counts.sum(1), counts.sum(0)
    covariance = hits.sum() * 70 - of_label @ of_answer
    spread = np.sqrt((70**2 - of_label @ of_label) * (70**2 - of_answer @ of_answer))
    assert metrics["accuracy"] == pytest.approx(hits.sum() / 70)
    assert metrics["f1"] == pytest.approx(np.mean(2 * hits / (of_label + of_answer)))
    assert metrics["matthews_correlation"] == pytest.approx(covariance / spread)


def test_each_of_several_files_has_its_own_metric(learned):
    metrics = learned[0].evaluate(
        examples([0, 1, 1, 1], ["dev_matched", "dev_mismatched", "dev_matched", "dev_mismatched"]),
        outputs([[1, 0], [1, 0], [0, 1], [0, 1]]),
    )
    assert metrics["accuracy"] == 0.75
    assert (metrics["accuracy_dev_matched"], metrics["accuracy_dev_mismatched"]) == (1.0, 0.5)


def test_probabilities_are_a_softmax(learned):
    (answer,) = learned[0].answers(examples([0]), outputs([[1.0, 3.0]]))
    share = 1 / (1 + np.exp(-2.0))
    assert answer["label"] == "io" and answer["probability"] == pytest.approx(share)
    assert answer["probabilities"] == pytest.approx({"code": 1 - share, "io": share})


@pytest.mark.parametrize("name", glue_file.ROWS)
def test_glue_files_are_read_as_distributed(name, tmp_path):
    layout, (_, head, row) = glue.layout(name), glue_file.ROWS[name]
    labels = glue_file.write(tmp_path, name)
    task = tiny_task.task(ClassificationTask, tmp_path, tmp_path, seq_length=20, glue=name)
    description = task.describe()
    assert description.labels == layout.labels
    config = task.task_config
    train = task.examples(config.train_data)
    wanted = range(len(labels)) if layout.labels else [5.0, 2.25]
    np.testing.assert_array_equal(train.labels["label"], list(wanted))
    assert len(task.examples(config.validation_data)) == len(labels) * len(layout.dev)
    if name == "mrpc":  # A quotation mark is part of the text, here and in the next field.
        assert train.sources[0].texts == ('He said "no', 'A "list"')
    test = tmp_path / next(iter(layout.submission))
    test.write_text(f"{head}\n{row}\n")
    unlabelled = FineTuningDataConfig(input_path=str(test), seq_length=20, is_training=False)
    examples_ = task.read(unlabelled, labelled=False)
    logits = outputs([[7.0] if name == "stsb" else np.eye(len(layout.labels))[-1]])
    text = task.answer_file(".tsv").text(task.answers(examples_, logits))
    answer = "5.000" if name == "stsb" else layout.labels[-1]
    assert text == f"index\tprediction\n0\t{answer}\n"


def test_labels_that_are_not_whole_numbers_mean_regression(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\nthe file,0.5\na list,3\nfrom here,2\n")
    task = tiny_task.task(ClassificationTask, path, path)
    assert (task.describe().task, task.metric) == ("regression", "pearson")
    model = task.build_model()
    assert model.head.units == 1
    logits = np.array([[0.1], [2.0], [3.0]])
    data = task.examples(task.task_config.validation_data)
    metrics = task.evaluate(data, outputs(logits))
    assert metrics["mean_squared_error"] == pytest.approx((0.4**2 + 1 + 1) / 3)
    assert metrics["spearman"] == pytest.approx(0.5)  # 1 - 6 * (0 + 1 + 1) / (3 * 8)
    centered = logits[:, 0] - logits.mean(), np.array([0.5, 3, 2]) - 5.5 / 3
    cosine = centered[0] @ centered[1] / np.linalg.norm(centered[0]) / np.linalg.norm(centered[1])
    assert metrics["pearson"] == pytest.approx(cosine)
    batch = {"label": data.labels["label"], "example": np.arange(3)}
    loss = task.build_losses(batch, logits.astype(np.float32))
    assert float(loss) == pytest.approx(metrics["mean_squared_error"])
    assert list(task.answers(data, outputs(logits)))[1] == {"value": 2.0}
    constant = task.evaluate(data, outputs([[1.0]] * 3))
    assert (constant["pearson"], constant["distinct_answers"]) == (0.0, 1.0)


def test_a_tfds_data_set_can_replace_files(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    tfds_set.store(
        tmp_path,
        train=(["the file", "", "a list"], [1, 1, 0]),
        test=(["from here"], [1]),
        bare=(["x"], [-1]),
    )
    task = tiny_task.task(ClassificationTask)
    config = task.task_config
    for data, split in ((config.train_data, "train"), (config.validation_data, "test")):
        data.tfds_name, data.tfds_split, data.tfds_data_dir = "toy", split, str(tmp_path)
    task.check()
    assert task.describe().labels == ("no", "yes")
    train = task.examples(config.train_data)
    labels = {row.texts[0]: label for row, label in zip(train.sources, train.labels["label"])}
    assert labels == {"the file": 1, "": 1, "a list": 0}
    assert task.examples(config.validation_data).labels["label"].tolist() == [1]
    config.validation_data.tfds_split = "bare"
    with pytest.raises(InputError, match="empty field in column 'label', example 0 of toy/bare"):
        task.check()
    config.skip_broken_rows = True
    with pytest.raises(InputError, match="must contain examples. Received 0 examples in 'toy'"):
        task.check()
    assert task.results.data["eval"]["left_out"]["the label in column 'label' is empty"] == {
        "count": 1,
        "first": ["example 0 of toy/bare"],
    }


def test_a_tiny_model_learns_numbers_with_every_seed(tmp_path):
    values = {"file": -1.5, "list": -0.5, "object": 0.5, "Python": 1.5}
    for name, count in (("train", 320), ("dev", 60)):
        rows = (text for text, _ in texts(count, count))
        lines = [f"{text}\t{values[next(w for w in text.split() if w in values)]}" for text in rows]
        (tmp_path / f"{name}.tsv").write_text("\n".join(["text\tlabel", *lines]))
    paths = (tmp_path / "train.tsv", tmp_path / "dev.tsv")
    task = tiny_task.task(ClassificationTask, *paths, seq_length=16)
    metrics = tiny_task.metrics_of_seeds(task, 200)
    assert all(min(m["pearson"], m["spearman"]) > 0.9 for m in metrics), metrics


def test_a_run_that_predicts_only_one_class_is_reported_as_collapsed(learned, tmp_path):
    config = learned[0].task_config
    task = tiny_task.task(
        ClassificationTask, config.train_data.input_path, config.validation_data.input_path
    )
    count = len(task.examples(config.validation_data))
    rows = {"example": [np.arange(count)], "logits": [np.tile([1.0, 0.0], (count, 1))]}
    for step in range(2):
        metrics = task.reduce_aggregated_logs([rows], step)
    assert "WARNING: collapsed: the last 2 evaluation(s) gave one answer" in task.report(metrics)


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("text,label\nx,1\ny,\n", {}, r"empty field in column 'label', line 3 of"),
        ("txt,label\nx,1\n", {}, r"without 'text'. Closest: txt"),
        ("text,label\nx,1\ny,1\n", {}, r"at least two labels.*only \['1'\] in column 'label'"),
        ("text,label\nx,good\ny,bda\n", dict(labels=["good", "bad"]), "'bda' in line 3 .*: bad"),
        ("text,label\nx,1.5\ny,high\n", dict(problem="regression"), "number. Received .high. in"),
        ("text,label\nx,1\ny,2\n", {"problem": "regresion"}, r"'regresion'. Closest: regression"),
        ("text,label\n" + "".join(f"a,{i}b\n" for i in range(60)), {}, r"must repeat. Received 60"),
        ("text,label\nx,1\ncaf\xe9,0\n", {}, r"UTF-8 text. Received '.*train.csv', whose line 3"),
        ("", {}, r"must contain examples.*Received 0 .*in '.*train.csv'"),
        ("text,label\nx,1,3\n", {}, r"as many fields as the header, 2 .*Received 3 in line 2"),
    ],
)  # fmt: skip
def test_bad_tables_are_errors_before_work_starts(text, changes, message, tmp_path):
    path = tmp_path / "train.csv"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=message):
        tiny_task.task(ClassificationTask, path, path, **changes)


def test_an_evaluation_label_missing_from_training_is_an_error(tmp_path):
    train, dev = tmp_path / "train.csv", tmp_path / "dev.csv"
    train.write_text("text,label\nx,good\ny,bad\n")
    dev.write_text("text,label\nx,good\nz,bat\n")
    with pytest.raises(InputError, match=r"Received 'bat' in line 3 of '.*dev.csv'. Closest: bad"):
        tiny_task.task(ClassificationTask, train, dev)
    dev.write_text("text,label\n")
    with pytest.raises(InputError, match=r"must contain examples.*Received 0 .*in .*dev\.csv"):
        tiny_task.task(ClassificationTask, train, dev)


@pytest.mark.parametrize(("second", "least"), [("", 3), ("label", 5)])
def test_a_row_must_have_room_for_a_token_of_each_text(second, least, tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("text,label\nthe file,good\nthe list,bad\n")
    with pytest.raises(InputError, match=f"seq_length={least - 1}. Set SEQ_LENGTH to {least} or"):
        tiny_task.task(ClassificationTask, path, path, seq_length=least - 1, second_text=second)
    task = tiny_task.task(ClassificationTask, path, path, seq_length=least, second_text=second)
    assert set(task.examples(task.task_config.train_data).lengths) == {least}


def test_broken_rows_can_be_skipped(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text("text\tlabel\nx\tgood\ny\nz\tbad\nw\t \n")
    task = tiny_task.task(ClassificationTask, path, path, skip_broken_rows=True)
    assert len(task.examples(task.task_config.train_data)) == 2
    reasons = {
        reason: (counts["count"], counts["first"])
        for reason, counts in task.results.data["train"]["left_out"].items()
    }
    assert reasons == {
        "it has not 2 fields": (1, [f"line 3 of '{path}'"]),
        "the label in column 'label' is empty": (1, [f"line 5 of '{path}'"]),
    }
    assert task.results.data["eval"] == task.results.data["train"]


def test_an_empty_text_is_a_text(tmp_path, spm):
    (tmp_path / "qqp").mkdir()
    for name in ("train.tsv", "dev.tsv"):
        (tmp_path / "qqp" / name).write_text(
            "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
            "2\t5\t6\tHow can I build a list?\t\t0\n3\t7\t8\t \tthe file\t1\n4\t9\t9\t\t\t1\n"
        )
    task = tiny_task.task(ClassificationTask, tmp_path / "qqp", tmp_path / "qqp", glue="qqp")
    examples_ = task.examples(task.task_config.train_data)
    assert examples_.labels["label"].tolist() == [0, 1, 1]
    assert examples_.ids.lengths[2] == 3  # [CLS] [SEP] [SEP]
    path = tmp_path / "new.txt"
    path.write_text("the file\n\na list\n \t \n")
    train = tmp_path / "train.csv"
    train.write_text("text,other,label\nthe file,a list,x\na list,,y\n")
    task = tiny_task.task(ClassificationTask, train, second_text="other")
    params = FineTuningDataConfig(input_path=str(path), seq_length=16, is_training=False)
    with pytest.raises(InputError, match=r"as many fields as the header, 2 .*Received 1 in line 1"):
        task.read(params, labelled=False)
    path.write_text("the file\ta list\n\n\ta list\n \t \n")
    rows = task.read(params, labelled=False)
    assert [row.texts for row in rows.sources] == [
        ("the file", "a list"), ("", ""), ("", "a list"), (" ", " "),
    ]  # fmt: skip
    assert len(rows) == rows.report.rows == 4


@pytest.mark.parametrize("skip_labels", ["-", ["-"], "-, nothing"])
def test_rows_of_a_label_can_be_left_out(tmp_path, skip_labels, capsys):
    path = tmp_path / "snli.tsv"
    path.write_text("text\tlabel\nthe file\tyes\na list\t-\nfrom here\tno\nthe file\tyes\n")
    task = tiny_task.task(ClassificationTask, path, path, skip_labels=skip_labels)
    assert task.describe().labels == ("no", "yes")
    assert task.examples(task.task_config.train_data).labels["label"].tolist() == [1, 0, 1]
    assert capsys.readouterr().err.splitlines()[:2] == [
        f"1 row(s) left out: SKIP_LABELS has the label '-': line 3 of '{path}'",
        f"1 row(s) repeat the text of an earlier one: line 5 of '{path}'",
    ]


WEIGHTED = "text,label\na,x\nb,x\nc,y\nd,x\ne,z\nf,x\n"  # x four times, y and z once.


@pytest.mark.parametrize(
    ("setting", "weights"),
    [("balanced", (0.5, 2.0, 2.0)), ({"y": 3, "z": 0.25}, (1.0, 3.0, 0.25))],
)
def test_class_weights_multiply_the_losses_in_training_only(setting, weights, tmp_path):
    path = tmp_path / "train.csv"
    path.write_text(WEIGHTED)
    task = tiny_task.task(ClassificationTask, path, path, class_weights=setting)
    train, dev = map(task.examples, (task.task_config.train_data, task.task_config.validation_data))
    wanted = [0, 0, 1, 0, 2, 0]
    assert train.labels["weight"].tolist() == [weights[index] for index in wanted]
    logits = np.random.default_rng(0).normal(size=[6, 3]).astype(np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    losses = -np.log(shares[np.arange(6), wanted])
    batches = [{**data.labels, "example": np.arange(6)} for data in (train, dev)]
    found = [float(task.build_losses(batch, logits)) for batch in batches]
    assert found == pytest.approx([(losses * train.labels["weight"]).mean(), losses.mean()])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (dict(class_weights="balance"), "must be 'balanced' or weights by label. Received 'bal"),
        (dict(class_weights={"why": 2.0}), "must name labels of the model. Received 'why'"),
        (dict(class_weights={"y": 0}), "must be positive numbers. Received 0 for 'y'"),
        (dict(class_weights={"y": "2"}), "must be positive numbers. Received '2' for 'y'"),
        (dict(class_weights="balanced", label_separator=";"), "one class each. Received balanced"),
        (dict(class_weights=["y", 2.0]), "must be 'balanced' or weights by label"),
        (dict(class_weights=3), "must be 'balanced' or weights by label. Received 3"),
    ],
)
def test_class_weights_must_fit_the_labels(config, message, tmp_path):
    path = tmp_path / "train.csv"
    path.write_text(WEIGHTED)
    with pytest.raises(InputError, match=message):
        tiny_task.task(ClassificationTask, path, path, **config)
