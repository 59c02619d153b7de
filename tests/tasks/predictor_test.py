"""`Predictor` on rows in windows: the same answers, in order, with resumption, for every task."""

import csv
import json

import numpy as np
import pandas
import pytest
import tensorflow as tf
from pyarrow import parquet

from albert_tf.data import beam_map
from albert_tf.errors import InputError
from albert_tf.tasks import batching
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tasks.embedding.task import EmbeddingTask
from albert_tf.tasks.fill_mask.task import FillMaskTask
from albert_tf.tasks.multiple_choice.task import MultipleChoiceTask
from albert_tf.tasks.partial_file import PartialFile
from albert_tf.tasks.predictor import Predictor
from albert_tf.tasks.question_answering.joint_task import JointQuestionAnsweringTask
from albert_tf.tasks.question_answering.task import QuestionAnsweringTask
from albert_tf.tasks.tagging.task import TaggingTask
from tests.support import choice_file, conll_file, squad_file, tiny_task
from tests.support.commands import call, status

COUNT, BATCH = 41, 3  # rows, and the size of a batch; windows have 2 batches


def texts(folder, label=None, ending="csv"):
    """Writes a table of texts of many lengths, some of them empty, with ids."""
    path = folder / f"rows.{ending}"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if ending == "tsv" else ",")
        writer.writerow(["id", "text", *(["label"] if label else [])])
        for i in range(COUNT):
            text = " ".join(["see the", "file [MASK]", "Python,", "object"][i % 4 :] * (i % 7))
            writer.writerow([f"n{i}", text, *([label(i)] if label else [])])
    return path


def table(folder, label, **config):
    path = texts(folder, label)
    return tiny_task.task(ClassificationTask, path, seq_length=32, **config), path


def tagging(folder):
    path = conll_file.write(folder / "words.conll", COUNT, 1)
    return tiny_task.task(TaggingTask, path, seq_length=16), path


def questions(task, folder):
    path = squad_file.write(folder / "squad.json", COUNT // 2, 1, 0.2)
    config = dict(seq_length=32, doc_stride=6, max_query_length=12, n_best=2)
    return tiny_task.task(task, path, **config), path


def choices(write, name, folder):
    path = write(folder / name, COUNT // 2, 1)
    return tiny_task.task(MultipleChoiceTask, path, seq_length=32, max_qa_length=14), path


def masks(folder):
    return tiny_task.task(FillMaskTask, seq_length=32), texts(folder)


def embedding(folder):
    config = dict(pooling=["mean", "max"], normalize=True)
    return tiny_task.task(EmbeddingTask, seq_length=32, **config), texts(folder)


MAKERS = {
    "classification": lambda f: table(f, lambda i: ["neg", "pos", "so, so"][i % 3]),
    "regression": lambda f: table(f, lambda i: i / 7),
    "multi_label": lambda f: table(f, lambda i: "abc"[: i % 4], label_separator=";"),
    "tagging": tagging,
    "question_answering": lambda f: questions(QuestionAnsweringTask, f),
    "joint_question_answering": lambda f: questions(JointQuestionAnsweringTask, f),
    "race": lambda f: choices(choice_file.race, "race", f),
    "swag": lambda f: choices(choice_file.swag, "swag.csv", f),
    "fill_mask": masks,
    "embedding": embedding,
}
TABLES = ("classification", "regression", "multi_label", "swag", "fill_mask")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A function that returns the predictor of a task with random weights, and its input."""
    made = {}

    def model(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            task, path = MAKERS[name](folder)
            (folder / "model").mkdir()
            tiny_task.save(task, task.build_model(), folder / "model")
            keep = {"keep_columns": ["id"]} if name in TABLES and name != "swag" else {}
            made[name] = Predictor(folder / "model", 32 if name != "tagging" else 16, **keep), path
        return made[name]

    return model


@pytest.fixture
def small_windows(monkeypatch):
    monkeypatch.setattr(batching, "POOL", 2)


def near(a, b):
    """Compares answers: numbers to 1e-5, all else exactly.

    Choices with the same text have the same probability, so rounding decides between them.
    """
    if isinstance(a, dict):
        keys = [key for key in a if key not in ("index", "letter")]
        return list(a) == list(b) and all(near(a[key], b[key]) for key in keys)
    if isinstance(a, (list, np.ndarray)):
        return len(a) == len(b) and all(map(near, a, b))
    return abs(a - b) < 1e-5 if isinstance(a, (float, np.floating)) else a == b


@pytest.mark.parametrize("name", MAKERS)
def test_windows_give_the_answers_of_whole_files(name, models, monkeypatch):
    predictor, path = models(name)
    whole = list(predictor(path, BATCH))
    monkeypatch.setattr(batching, "POOL", 2)
    windows = list(predictor.windows(predictor.params(path, BATCH)))
    assert {window.rows for window in windows[:-1]} == {2 * BATCH} and len(windows) >= 4
    assert near([answer for window in windows for answer in window.answers], whole)
    # Each answer is that of its row: rows alone in their windows have no others to be mixed with.
    params = predictor.params(path, BATCH)
    rows = list(predictor.task.rows(params, False, predictor.task.new_report(False)))
    alone = [w.answers[0] for w in predictor._answered([[row] for row in rows[::5]], params)]
    assert near(alone, whole[::5])


@pytest.mark.parametrize(
    "name", [name for name in MAKERS if name not in ("fill_mask", "embedding")]
)
def test_rows_are_answered_after_rows_with_labels(name, models):
    predictor, path = models(name)
    params = predictor.params(path, BATCH)
    labelled = predictor.outputs(predictor.task.read(params, True), BATCH)
    examples = predictor.task.read(params, False)
    answers = list(predictor.task.answers(examples, predictor.outputs(examples, BATCH)))
    assert near(list(predictor.task.answers(examples, labelled)), answers)


def stopped(predictor, path, output, stop):
    """Writes `stop` windows of a prediction, and then is interrupted."""

    def windows(self, *args):
        for index, window in enumerate(Predictor.windows(self, *args)):
            if index == stop:
                raise KeyboardInterrupt
            yield window

    partial = partial_file(predictor, path, output)
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictor, "windows", windows.__get__(predictor))
        predictor.write(predictor.params(path, BATCH), partial)
    assert partial.path.exists() and not output.exists()


def partial_file(predictor, path, output):
    command = predictor.command(predictor.params(path, BATCH))
    return PartialFile(output, predictor.task.answer_file(output.suffix, predictor.kept), command)


@pytest.mark.parametrize("name", MAKERS)
def test_a_resumed_prediction_has_the_same_bytes(name, models, small_windows, tmp_path):
    predictor, path = models(name)
    endings = [".jsonl", ".csv", ".tsv", ".parquet", *predictor.task.OUTPUTS]
    for stop, ending in enumerate(endings):
        output, whole = tmp_path / f"a{ending}", tmp_path / f"whole{ending}"
        predictor.write(predictor.params(path, BATCH), partial_file(predictor, path, whole))
        stopped(predictor, path, output, 1 + stop % 3)
        predictor.write(predictor.params(path, BATCH), partial_file(predictor, path, output))
        assert output.read_bytes() == whole.read_bytes()
    # All formats have the same answers.
    answers = list(map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines()))
    assert len(answers) == len(list(predictor(path, BATCH)))
    rows = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    frame = pandas.read_csv(
        tmp_path / "a.csv", keep_default_na=False, float_precision="round_trip", dtype=object
    )
    assert [list(map(str, row)) for row in frame.values] == [
        [v if type(v) is str else json.dumps(v) for v in row.values()] for row in rows
    ]
    keys = ["label", "value", "filled", "id", "answer"]
    for key in [key for key in keys if key in rows[0] and name != "tagging"]:
        assert [row[key] for row in rows] == [answer[key] for answer in answers]
    if name == "embedding":
        vectors = np.array([answer["embedding"] for answer in answers], np.float32)
        assert np.array_equal(np.load(tmp_path / "a.npy", mmap_mode="r"), vectors)
        assert np.array_equal(np.stack([row["embedding"] for row in rows]), vectors)
        records = tf.data.TFRecordDataset(str(tmp_path / "a.tfrecord"))
        parse = lambda r: tf.io.parse_single_example(  # noqa: E731
            r, {"embedding": tf.io.FixedLenFeature([vectors.shape[1]], tf.float32)}
        )
        read = [parse(record)["embedding"].numpy() for record in records]
        assert np.array_equal(np.stack(read), vectors)
    if name == "tagging":
        assert [row["word"] for row in rows] == [w for answer in answers for w in answer["words"]]
        assert [row["label"] for row in rows] == [w for answer in answers for w in answer["labels"]]
    if name == "question_answering":
        texts = json.loads((tmp_path / "a.json").read_text())
        assert list(texts.items()) == [(answer["id"], answer["answer"]) for answer in answers]


def test_kept_columns_are_beside_the_answers(models, small_windows, tmp_path):
    predictor, path = models("classification")
    keep = Predictor(predictor.source, 32, ["label", "id", "label"])
    answers = list(keep(path, BATCH))
    rows = list(csv.DictReader(path.open(newline="")))
    assert [(a["input.label"], a["id"]) for a in answers] == [(r["label"], r["id"]) for r in rows]
    assert list(answers[0]) == ["input.label", "id", "label", "probability", "probabilities"]
    assert near([{"id": a["id"], **{k: a[k] for k in list(a)[2:]}} for a in answers],
                list(predictor(path, BATCH)))  # fmt: skip
    frame = np.array(parquet_of(keep, path, tmp_path))
    assert frame[:, :2].tolist() == [[r["label"], r["id"]] for r in rows]


def parquet_of(predictor, path, folder):
    predictor.write(
        predictor.params(path, BATCH), partial_file(predictor, path, folder / "a.parquet")
    )
    return parquet.read_table(folder / "a.parquet").to_pandas().values.tolist()


@pytest.fixture(scope="module")
def folder(models):
    predictor, path = models("classification")
    return predictor.source.path, path


def test_keep_columns_must_exist(folder, models, tmp_path):
    model, path = folder
    words = ("predict", "--model", model, "--output", tmp_path / "a.csv")
    with pytest.raises(InputError, match="without 'idd'. Closest: id. All: id, label, text"):
        call(*words, "--input", path, "--keep_columns", "idd")
    (tmp_path / "lines.txt").write_text("see\nthe file\n")
    with pytest.raises(InputError, match="from tables with a header.*--keep_columns id for .*txt"):
        call(*words, "--input", tmp_path / "lines.txt", "--keep_columns", "id")
    call(*words, "--input", tmp_path / "lines.txt", "--keep_columns", "text")
    assert pandas.read_csv(tmp_path / "a.csv")["text"].tolist() == ["see", "the file"]
    with pytest.raises(InputError, match="read tables. Received --keep_columns id for tagging"):
        Predictor(models("tagging")[0].source, keep_columns=["id"])
    assert not list(tmp_path.glob("*.partial*"))


def test_all_rows_are_checked_before_the_first_answer(folder, tmp_path, capsys):
    model, path = folder
    bad = tmp_path / "bad.csv"
    bad.write_text(path.read_text() + "last,row,has,five,fields\n")
    words = ("predict", "--model", model, "--input", bad, "--batch_size", 1)
    assert status(*words, "--output", tmp_path / "a.csv") == 2
    error = capsys.readouterr().err
    assert f"Received 5 in line {COUNT + 2} of '{bad}'" in error
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]
    bad.write_text(path.read_text())
    assert status(*words, "--output", tmp_path / "a.csv") == 0
    assert len((tmp_path / "a.csv").read_text().splitlines()) == COUNT + 1


def test_a_changed_input_or_model_is_refused(models, small_windows, tmp_path):
    predictor, source = models("regression")
    path = tmp_path / "rows.csv"
    path.write_bytes(source.read_bytes())
    output = tmp_path / "a.csv"
    stopped(predictor, path, output, 2)
    path.write_bytes(source.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=f"with {4 * BATCH} answered rows .*: input '"):
        predictor.write(predictor.params(path, BATCH), partial_file(predictor, path, output))
    path.write_bytes(source.read_bytes())
    weights = predictor.model.variables[-1]
    before = weights.numpy()
    weights.assign(before + 1e-3)
    with pytest.raises(InputError, match=r"one: model '.*' \(\w{8}\), now '.*' \(\w{8}\)\. Del"):
        predictor.write(predictor.params(path, BATCH), partial_file(predictor, path, output))
    weights.assign(before)
    predictor.write(predictor.params(path, BATCH), partial_file(predictor, path, output))
    assert len(output.read_text().splitlines()) == COUNT + 1


@pytest.mark.parametrize(("rows", "lines"), [("", 0), ("id,text\n", 0), ("id,text\n7,see\n", 1)])
def test_few_rows(rows, lines, models, tmp_path):
    predictor, path = models("regression")[0], tmp_path / "rows.csv"
    path.write_text(rows)
    for ending in ("csv", "tsv", "jsonl", "parquet"):
        output = tmp_path / f"a.{ending}"
        predictor.write(predictor.params(path), partial_file(predictor, path, output))
        if ending == "parquet":
            assert parquet.read_table(output).num_rows == lines
        else:
            assert len(output.read_text().splitlines()) == lines + (ending != "jsonl")


@pytest.mark.clean_process
def test_workers_write_the_same_bytes(folder, small_windows, tmp_path):
    model, path = folder
    words = ("predict", "--model", model, "--input", path, "--batch_size", 2)
    for count in (1, 2):
        call(*words, "--output", tmp_path / f"{count}.csv", "--workers", count)
    assert len((tmp_path / "1.csv").read_text().splitlines()) == COUNT + 1
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


def test_beam_writes_the_same_bytes_and_goes_on_after_an_error(
    models, small_windows, tmp_path, monkeypatch
):
    predictor, path = models("classification")
    words = ("predict", "--model", predictor.source.path, "--input", path, "--batch_size", 2)
    call(*words, "--output", tmp_path / "wanted.csv")
    output, on_beam = tmp_path / "a.csv", ("--runner", "DirectRunner")

    def failing(number, work, folder):
        if number == 2:
            raise OSError("the disk is gone")
        return make_result(number, work, folder)

    make_result = beam_map._make_result
    with monkeypatch.context() as patch, pytest.raises(InputError, match="the disk is gone.*same"):
        patch.setattr(beam_map, "_make_result", failing)
        call(*words, "--output", output, *on_beam)
    assert not output.exists()
    call(*words, "--output", output, *on_beam)
    assert output.read_bytes() == (tmp_path / "wanted.csv").read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"a.csv", "wanted.csv"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--runner", "DirectRunner"), "--output file, without --workers. Received --output -"),
        (("--runner", "DirectRunner", "--output", "/dev/null"), "Received --output /dev/null"),
        (
            ("--runner", "NoRunner", "--output", "a.csv"),
            "a runner of Apache Beam. Received 'NoRunner'",
        ),
        (("--output", "a.csv", "--", "--region", "x"), "Received --region x without --runner"),
    ],
)
def test_wrong_settings_of_beam_are_errors(folder, words, message):
    with pytest.raises(InputError, match=message):
        call("predict", "--model", folder[0], "--input", folder[1], *words)


def test_the_first_rows_are_answered_before_the_last_are_read(models, small_windows, monkeypatch):
    predictor, path = models("classification")
    rows, read = predictor.task.rows, []

    def watched(*args):
        for row in rows(*args):
            read.append(row)
            yield row

    monkeypatch.setattr(predictor.task, "rows", watched)
    windows = predictor.windows(predictor.params(path, BATCH))
    next(windows)
    assert COUNT < len(read) <= COUNT + 3 * 2 * BATCH  # once to check all, and the first windows
    windows.close()


def test_remarks_on_all_windows_are_shown_once(models, small_windows, capsys):
    predictor, path = models("fill_mask")
    answers = list(predictor(path, BATCH))
    count = sum(not answer["fillings"] for answer in answers)
    error = capsys.readouterr().err
    assert f"{count} text(s) have no [MASK] within 32 tokens: line 2 of" in error
    assert error.count("[MASK]") == 1


def test_race_may_have_answers_to_some_questions(models, small_windows, tmp_path):
    predictor, folder = models("race")
    path = tmp_path / "all.txt"
    lines = [file.read_text() for file in sorted(folder.rglob("*.txt"))]
    whole = [json.loads(line) for line in lines]
    for passage in whole[:-4]:
        passage["answers"] = None
    path.write_text("".join(json.dumps(passage) + "\n" for passage in whole))
    answers = {a["id"]: a for a in predictor(path, BATCH)}
    wanted = {a["id"]: a for a in predictor(folder, BATCH)}
    assert len(answers) == len(wanted) and all(near(answers[n], wanted[n]) for n in wanted)


def test_a_workers_setting_must_be_positive(folder, tmp_path):
    with pytest.raises(InputError, match="--workers must be at least 1. Received 0"):
        call("predict", "--model", folder[0], "--input", folder[1], "--workers", 0)
