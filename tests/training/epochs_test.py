import pytest

from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.tasks.classification.config import ClassificationConfig
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.training import epochs
from tests.support import tiny_task


def test_epochs_are_converted_to_steps(tmp_path):
    for name, rows in (("a.csv", 7), ("b.csv", 4)):
        (tmp_path / name).write_text("text,label\n" + "x,1\n" * rows)
    path = str(tmp_path / "*.csv")
    assert epochs.steps(path, batch_size=4, epochs=2) == 6
    assert epochs.steps(path, batch_size=4, epochs=0.5) == 2
    assert (epochs.share(25, 0.1), epochs.share(25, parts=4), epochs.share(3, 0.01)) == (3, 7, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", 4, 1), "TRAIN_DATA must be set. Received TRAIN_DATA=''. Set it, or set TRAIN_STEPS"),
        (("x.csv", 0, 1), "Received BATCH_SIZE=0, EPOCHS=1"),
        (("x.csv", 1, -2), "Received BATCH_SIZE=1, EPOCHS=-2"),
    ],
)
def test_invalid_arguments_are_errors(arguments, message):
    with pytest.raises(InputError, match=message):
        epochs.steps(*arguments)


def test_a_table_without_rows_is_an_error(tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text("text,label\n")
    with pytest.raises(
        InputError, match=r"must have rows. Received .*empty\.csv' with 0 rows that"
    ):
        epochs.steps(str(path), 4, 1)


ROWS = [
    "id,text,label",
    "1,a,x",
    "2,b,-",
    "1,a,x",
    "3,c,?",
    "",
    "4,d,y",
    "5,e,",
    "6,,x",
    "7",
    "8,f, x",
]


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        (dict(), 6),
        (dict(skip_labels=["-"]), 5),
        (dict(skip_labels="-, ?"), 4),
        (dict(problem="multi_label"), 7),
        (dict(label_separator=" ", skip_labels=["x"]), 4),
    ],
)
def test_only_examples_are_counted(tmp_path, settings, count):
    path = tmp_path / "a.csv"
    path.write_text("".join(f"{line}\n" for line in ROWS))
    config = ClassificationConfig(skip_broken_rows=True, **settings)
    assert epochs.steps(str(path), 1, 1, config) == count
    task = tiny_task.task(ClassificationTask, seq_length=16, skip_broken_rows=True, **settings)
    data = task.task_config.train_data
    data.input_path = str(path)
    assert len(list(task.rows(data, True, RowReport(skip_broken=True)))) == count


def test_rows_that_can_not_be_read_are_errors(tmp_path):
    path = tmp_path / "b.csv"
    path.write_text("text,label\na\n")
    with pytest.raises(InputError, match="A row must have as many fields as the header"):
        epochs.steps(str(path), 1, 1, ClassificationConfig())
    path = tmp_path / "c.csv"
    path.write_text("text,target\na,b\n")
    with pytest.raises(InputError, match="without 'label'. All: target, text"):
        epochs.steps(str(path), 1, 1, ClassificationConfig())
    path.write_text("text,label\na,-\n")
    with pytest.raises(InputError, match="with 0 rows that can be used"):
        epochs.steps(str(path), 1, 1, ClassificationConfig(skip_labels=["-"]))
