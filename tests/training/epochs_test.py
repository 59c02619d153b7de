import pytest

from albert_tf.errors import InputError
from albert_tf.training import epochs


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
    with pytest.raises(InputError, match=r"must have rows. Received .*empty\.csv' with 0 rows"):
        epochs.steps(str(path), 4, 1)
