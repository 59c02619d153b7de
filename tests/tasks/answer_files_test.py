"""Formats of answers, and partial files that are cut or killed anywhere."""

import csv
import io
import itertools
import json
import multiprocessing
import os
import random
import sys
import time

import pytest

from albert_tf.errors import InputError
from albert_tf.tasks import answer_files
from albert_tf.tasks.answer_files import AnswerFile, Csv, Parquet, Tsv
from albert_tf.tasks.partial_file import PartialFile, Stream

COLUMNS = {"label": str, "score": float, "shares.a": float, "shares.b": float, "rank": int}
HARD = ['say "hi"', "a,b", "two\nlines", "\rreturn", "", " ", "tab\there", "ﬁ\u0301", "'", "=1+1"]
ANSWERS = [
    {"id": name, "label": name, "score": 0.1 * i, "shares": {"a": 1 / 3, "b": 1e-17}, "rank": i}
    for i, name in enumerate(HARD)
]
COMMAND = {
    "model": {"path": "runs/a", "sha256": "123abc" * 5},
    "input": [{"path": "new.csv", "bytes": 5, "sha256": "fed" * 9}],
    "batch_size": 32,
}


def rows_of(answer):
    yield answer


def table(kind):
    return kind(COLUMNS, rows_of, ["id"])


def cells(answer):
    shares = answer["shares"]
    return [
        *(answer[n] for n in ("id", "label", "score")),
        shares["a"],
        shares["b"],
        answer["rank"],
    ]


NAMES = ["id", "label", "score", "shares.a", "shares.b", "rank"]


def test_csv_is_read_by_the_csv_module_and_pandas(tmp_path):
    import pandas  # Not above, because the processes below import this file.

    text = table(Csv).text(ANSWERS)
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == NAMES
    wanted = [cells(answer) for answer in ANSWERS]
    assert [[*r[:2], *map(float, r[2:5]), int(r[5])] for r in rows] == wanted
    (tmp_path / "a.csv").write_text(text, newline="")
    frame = pandas.read_csv(tmp_path / "a.csv", keep_default_na=False, float_precision="round_trip")
    assert list(frame.columns) == NAMES and frame.values.tolist() == wanted


def test_tsv_has_a_line_for_each_row_and_no_quotes():
    header, *lines = table(Tsv).text(ANSWERS).splitlines()
    assert header.split("\t") == NAMES and len(lines) == len(ANSWERS)
    found = [line.split("\t")[0] for line in lines]
    assert found == [name.translate(dict.fromkeys(map(ord, "\t\r\n"), " ")) for name in HARD]


def test_parquet_has_the_types_of_the_columns(tmp_path, monkeypatch):
    from pyarrow import parquet

    monkeypatch.setattr(answer_files, "_GROUP", 3)
    file = Parquet({**COLUMNS, "labels": list[str]}, rows_of, ["id"])
    answers = [{**answer, "labels": ["x"] * (i % 3)} for i, answer in enumerate(ANSWERS)]
    parts = [file.add(answers[begin : begin + 2]) for begin in range(0, len(answers), 2)]
    (tmp_path / "text").write_bytes(b"".join(parts))
    file.put(tmp_path / "text", tmp_path / "a.parquet")
    read = parquet.read_table(tmp_path / "a.parquet")
    assert [str(t) for t in read.schema.types] == [
        *["string"] * 2, *["double"] * 3, "int64", "list<element: string>",
    ]  # fmt: skip
    assert [list(row.values()) for row in read.to_pylist()] == [
        [*cells(answer), answer["labels"]] for answer in answers
    ]
    assert not (tmp_path / "text").exists()
    file.put(_empty(tmp_path / "text"), tmp_path / "none.parquet")
    assert parquet.read_table(tmp_path / "none.parquet").num_rows == 0


def _empty(path):
    path.write_text("")
    return path


def test_parquet_without_pyarrow_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InputError, match=r"not installed.*pip install 'albert-tf\[parquet\]'"):
        table(Parquet)


def test_parquet_cannot_be_streamed():
    with pytest.raises(InputError, match="can be replaced. Received .* a device or a pipe"):
        Stream(io.StringIO(), table(Parquet))


def test_columns_of_the_input_are_renamed_if_answers_have_them():
    names = answer_files.kept_names(["id", "label", "shares", "shares.a"], COLUMNS)
    assert names == ["id", "input.label", "input.shares", "input.shares.a"]


def test_stdout_gets_each_window_at_once():
    stream = io.StringIO()
    output = Stream(stream, AnswerFile())
    with output.writing():
        output.add(1, [{"a": 1}], {})
        assert stream.getvalue() == '{"a": 1}\n'


# === Partial files ===
class Counted(AnswerFile):
    """A format with a state: lines that are numbered, between a first and a last one."""

    START = 0

    def begin(self):
        return "first\n"

    def add(self, answers):
        text = "".join(f"{self.state + i} {answer['a']}\n" for i, answer in enumerate(answers))
        self.state += len(answers)
        return text

    def end(self):
        return f"last {self.state}\n"


WINDOWS = [[{"a": "x" * (7 * i + j)} for j in range(3)] for i in range(5)]
WHOLE = Counted().text(list(itertools.chain.from_iterable(WINDOWS)))


def write(output, stop=None, pause=0.0, **changes):
    """Writes WINDOWS, a row for each answer, until `stop` windows are there."""
    partial = PartialFile(output, Counted(), {**COMMAND, **changes})
    with partial.writing():
        assert partial.rows % 3 == 0
        for index, window in enumerate(WINDOWS[partial.rows // 3 :], start=partial.rows // 3):
            assert partial.remarks == ({"cut": index} if index else {})
            if index == stop:
                raise KeyboardInterrupt
            partial.add(3, window, {"cut": index + 1})
            time.sleep(pause)


def stopped(folder, stop=3):
    """Returns the output of a command that was stopped, and its partial file and log."""
    folder.mkdir(exist_ok=True)
    output = folder / "a.txt"
    with pytest.raises(KeyboardInterrupt):
        write(output, stop=stop)
    assert not output.exists()
    return output, folder / "a.txt.partial", folder / "a.txt.partial.jsonl"


def test_a_stopped_command_goes_on(tmp_path, capsys):
    output, *_ = stopped(tmp_path)
    assert "answers to the first 9 rows are in" in capsys.readouterr().err
    write(output)
    assert "resuming after 9 rows" in capsys.readouterr().err
    assert output.read_text() == WHOLE and os.listdir(tmp_path) == ["a.txt"]


def test_a_command_that_was_stopped_before_the_first_answer_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a.txt", stop=0)
    assert not os.listdir(tmp_path)


def test_a_file_that_was_cut_anywhere_is_completed(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    output, data, log = stopped(tmp_path, stop=4)
    text, lines = data.read_bytes(), log.read_bytes()
    # The log is written after the answers; a machine that lost power may have lost either.
    cuts = [(len(text), cut) for cut in range(lines.index(b"\n") + 1, len(lines) + 1, 3)]
    cuts += [(cut, len(lines)) for cut in range(0, len(text), 7)]
    cuts += [(len(text) + 5, len(lines)), (0, 0), (0, 10)]
    for length, kept in cuts:
        data.write_bytes((text + b"torn ")[:length])
        log.write_bytes(lines[:kept])
        write(output)
        assert output.read_text() == WHOLE, (length, kept)
        output.unlink()


def test_a_killed_process_loses_nothing_that_the_log_has(tmp_path):
    spawn, rng, kills = multiprocessing.get_context("spawn"), random.Random(0), 0
    for number in range(3):
        output = tmp_path / f"{number}.txt"
        log = tmp_path / f"{number}.txt.partial.jsonl"
        child = spawn.Process(target=write, args=(output, None, 0.03))
        child.start()
        while child.is_alive() and not (log.exists() and log.stat().st_size):
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.12))
        child.kill()
        child.join()
        kills += not output.exists()
        write(output)
        assert output.read_text() == WHOLE
    assert kills  # A child that was fast may have ended before.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model": {"path": "runs/b", "sha256": "ff00" * 9}},
            r"with 9 answered rows of another one: model 'runs/a' \(123abc12\), now 'runs/b' "
            r"\(ff00ff00\)\. Delete it",
        ),
        ({"input": [{"path": "new.csv", "sha256": "0"}]}, r"input 'new.csv' \(fedfedfe\), now"),
        ({"input": []}, r"one: input 'new.csv' \(fedfedfe\), now ."),
        ({"batch_size": 16, "top_k": 3}, "batch_size 32, now 16; top_k null, now 3. Delete"),
    ],
)
def test_another_command_is_refused_and_nothing_lost(changes, message, tmp_path):
    output, data, log = stopped(tmp_path)
    before = data.read_bytes(), log.read_bytes()
    with pytest.raises(InputError, match=message):
        write(output, **changes)
    assert (data.read_bytes(), log.read_bytes()) == before
    write(output, model={"path": "moved", "sha256": COMMAND["model"]["sha256"]})
    assert output.read_text() == WHOLE


def test_another_command_replaces_a_partial_file_without_answers(tmp_path):
    output, data, log = stopped(tmp_path)
    data.write_text("first\n0 ")  # killed in the first window
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:2]))
    write(output, batch_size=16)
    assert output.read_text() == WHOLE


def test_a_partial_file_without_log_is_refused(tmp_path):
    (tmp_path / "a.txt.partial").write_text("mine")
    with pytest.raises(InputError, match="must have its log. Received .* Delete it"):
        write(tmp_path / "a.txt")
    assert (tmp_path / "a.txt.partial").read_text() == "mine"


def test_two_processes_cannot_write_the_same_output(tmp_path):
    first = PartialFile(tmp_path / "a.txt", Counted(), COMMAND)
    with first.writing():
        first.add(3, WINDOWS[0], {})
        with pytest.raises(InputError, match="Only one process may write .* another one is"):
            write(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == Counted().text(WINDOWS[0])


def test_an_error_half_way_says_where_the_answers_are(tmp_path):
    partial = PartialFile(tmp_path / "a.txt", Counted(), COMMAND)
    message = r"^Row 9\. The answers to the first 3 rows are in '.*a\.txt\.partial'"
    with pytest.raises(InputError, match=message), partial.writing():
        partial.add(3, WINDOWS[0], {})
        raise InputError("Row 9.")
    assert (tmp_path / "a.txt.partial").read_text() == "first\n" + Counted().add(WINDOWS[0])


def test_links_and_permissions_of_the_output_are_kept(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "a.txt").symlink_to("real")
    write(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").is_symlink() and (tmp_path / "real").read_text() == WHOLE
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "real"]


def test_a_full_disk_is_one_error(tmp_path, monkeypatch):
    output, *_ = stopped(tmp_path)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="room and permission to write .* No space left"):
        write(output)
    monkeypatch.undo()
    write(output)
    assert output.read_text() == WHOLE


def test_the_log_is_json_lines(tmp_path):
    _, data, log = stopped(tmp_path)
    command, *entries = map(json.loads, log.read_text().splitlines())
    assert command == COMMAND and [entry["rows"] for entry in entries] == [0, 3, 6, 9]
    assert entries[-1]["length"] == data.stat().st_size
