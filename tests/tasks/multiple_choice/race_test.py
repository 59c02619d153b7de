import json

import pytest

from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.tasks.multiple_choice.race import files, read

PASSAGE = {
    "id": "high1.txt",
    "article": "Ada wrote.",
    "questions": ["Who wrote?", "Ada _ notes."],
    "options": [["Ada", "Zoë", "Bo", "Cy"], ["reads", "writes", "sells", "eats"]],
    "answers": ["A", "B"],
}


@pytest.fixture
def race(tmp_path):
    tmp_path = tmp_path / "high" / "RACE"  # A parent folder does not set the level.
    for level, number in (("high", 1), ("middle", 2), ("middle", 1)):
        folder = tmp_path / "train" / level
        folder.mkdir(parents=True, exist_ok=True)
        passage = {**PASSAGE, "id": f"{level}{number}.txt"}
        (folder / f"{number}.txt").write_text(json.dumps(passage) + "\n")
    return tmp_path


def test_the_published_folder_is_read(race):
    paths = files(race / "train")
    assert [str(path.relative_to(race)) for path in paths] == [
        "train/middle/1.txt",
        "train/middle/2.txt",
        "train/high/1.txt",
    ]
    items = list(read(paths))
    assert [(item.id, item.group, item.label) for item in items] == [
        ("middle1.txt/0", "middle", 0),
        ("middle1.txt/1", "middle", 1),
        ("middle2.txt/0", "middle", 0),
        ("middle2.txt/1", "middle", 1),
        ("high1.txt/0", "high", 0),
        ("high1.txt/1", "high", 1),
    ]
    assert items[4].passage == "Ada wrote."
    assert items[4].choices[1] == "Who wrote? Zoë"
    assert items[5].choices == (
        "Ada reads notes.",
        "Ada writes notes.",
        "Ada sells notes.",
        "Ada eats notes.",
    )


def test_files_with_a_passage_on_each_line_may_have_no_answers(tmp_path):
    passage = {key: value for key, value in PASSAGE.items() if key != "answers"}
    path = tmp_path / "all.txt"
    path.write_text("\n".join([json.dumps(passage), "", json.dumps({**passage, "id": "x"})]))
    items = list(read([path]))
    assert [(item.label, item.group) for item in items] == [(None, "")] * 4
    assert items[3].origin.endswith("all.txt' line 3 question 1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answers": ["A"]}, r"of the same length.*1\.txt' line 1.*2 questions, 2 opt.*1 answers"),
        ({"article": None}, r"'article'.* Received .*1\.txt' line 1: .*is not a string: 'None'"),
        ({"options": None}, r"'options' and 'answers'.*1\.txt' line 1"),
        ({"options": [["Ada"], [1, 2]]}, r"'options' and.*something else than lists of texts"),
        ({"options": "ab"}, r"'questions' is no list of texts, or 'options' no list"),
        ({"questions": "ab"}, r"'questions' is no list of texts"),
        ({"answers": {"a": 1, "b": 2}}, r"TypeError.*answers.*is no list"),
        ({"answers": ["A", ["B"]]}, r"a letter from A to H. Received .* at .*1\.txt' line 1 quest"),
        ({"article": "\ud800"}, r"Received .*1\.txt' line 1: .*half of a surrogate pair"),
        ({"answers": ["A", "b"]}, r"a letter from A to H. Received 'b' at .*1\.txt' line 1 quest"),
    ],
)
def test_an_error_for_a_bad_passage_names_its_line(tmp_path, change, message):
    path = tmp_path / "1.txt"
    path.write_text(json.dumps({**PASSAGE, **change}))
    with pytest.raises(InputError, match=message):
        list(read([path]))


def test_an_empty_folder_and_files_without_json_are_errors(tmp_path):
    with pytest.raises(InputError, match=r"folder of RACE must contain \.txt files.*Use `train`"):
        files(tmp_path)
    (tmp_path / "1.txt").write_text('\n{"article": "caf\xe9"}', encoding="latin-1")
    with pytest.raises(InputError, match=r"must be UTF-8 text.*1\.txt', whose line 2 is not"):
        list(read([tmp_path / "1.txt"]))
    (tmp_path / "1.txt").write_text("\n[1]\n")
    with pytest.raises(InputError, match=r"JSON object with 'article'.*1\.txt' line 2"):
        list(read([tmp_path / "1.txt"]))


def test_a_question_that_a_file_of_all_repeats_is_left_out(race):
    folder = race / "train" / "middle"
    lines = [(folder / f"{number}.txt").read_text() for number in (2, 1)]
    new = {**PASSAGE, "id": "middle3.txt"}
    (folder / "all.txt").write_text("".join(lines) + json.dumps(new) + "\n")
    report = RowReport("item")
    items = list(read(files(race / "train"), report))
    assert [item.id for item in items if item.group == "middle"] == [
        f"middle{number}.txt/{index}" for number in (1, 2, 3) for index in (0, 1)
    ]
    assert (report.rows, report.kept, len(items)) == (12, 8, 8)
    assert str(report).startswith(
        "4 item(s) left out: an earlier one has the same id and content: "
        f"'{folder / 'all.txt'}' line 1 question 0, "
    )


def test_an_id_with_two_contents_is_an_error(race):
    path = race / "train" / "high" / "{1}.txt"
    path.write_text(json.dumps({**PASSAGE, "id": "high1.txt", "article": "Another."}))
    with pytest.raises(InputError, match=r"item must have its own id. Received 'high1.txt/0' "):
        list(read(files(race / "train")))


def test_passages_without_ids_get_distinct_ones(tmp_path):
    passage = {key: value for key, value in PASSAGE.items() if key != "id"}
    for name in ("middle/1.txt", "high/1.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(f"{json.dumps(passage)}\n" * 2)
    ids = [item.id for item in read(files(tmp_path))]
    assert ids == [f"{name}/{index}" for name in ("middle1.txt", "middle1.txt:2", "high1.txt",
                                                   "high1.txt:2") for index in (0, 1)]  # fmt: skip


def test_a_question_with_a_bad_answer_can_be_left_out(tmp_path):
    path = tmp_path / "1.txt"
    path.write_text(json.dumps({**PASSAGE, "answers": ["A", "-"]}))
    report = RowReport("item", skip_broken=True)
    assert len(list(read([path], report))) == report.kept == 1
    assert str(report) == (
        f"1 item(s) left out: its answer is not a letter: '{path}' line 1 question 1"
    )
