"""The notebooks of examples/ run, their results are right, and their stored outputs are clean."""

import json
import re

import nbformat
import pytest

from tests.support import notebooks
from tests.support.notebooks import EXAMPLES

NAMES = ["classify_with_keras", "convert_weights", "finetune_and_serve", "question_answering"]
NOISE = ["warning", "deprecat", "traceback", "E0000", "I0000", "W0000", "it/s", "step/s", "%|"]
# Durations, dates and clock times change with every run; paths, with every machine.
CHANGING = [
    r"\b\d+(\.\d+)? ?(s|ms|sec|secs|seconds|minutes)\b",
    r"\b20\d\d-\d\d-\d\d\b",
    r"\b\d\d:\d\d(:\d\d)?\b",
    r"(?<![\w:/.])/(?!v1/)\w+/",
    r"/tmp|/home|/root|/Users|site-packages",
    r"0x[0-9a-f]{6,}",
]


def stored(name):
    return nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text_of(output):
    return output.text if output.output_type == "stream" else json.dumps(output.data)


def files():
    return {path.name for path in EXAMPLES.iterdir()} - {"__pycache__"}


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """By name: the notebook as executed now, and the variables that it ends with."""
    before = files()
    results = {
        path.stem: notebooks.execute(path, tmp_path_factory.mktemp(path.stem))
        for path in notebooks.paths()
    }
    assert files() == before
    return results


def variables(executed, name):
    return executed[name][1]


def test_every_notebook_is_in_the_table():
    assert [path.stem for path in notebooks.paths()] == NAMES
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"^\| \[(\w+)\.ipynb\]\(\1\.ipynb\)", text, re.MULTILINE)
    assert sorted(linked) == NAMES


def test_links_lead_to_files():
    texts = {name: [c.source for c in stored(name).cells] for name in NAMES}
    texts["README"] = [(EXAMPLES / "README.md").read_text(encoding="utf-8")]
    for name, cells in texts.items():
        for target in re.findall(r"\]\(([^)#:]+)\)", "\n".join(cells)):
            assert (EXAMPLES / target).exists(), (name, target)


@pytest.mark.parametrize("name", NAMES)
def test_stored_outputs_are_complete(name):
    cells = code_cells(stored(name))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        if re.search(r"^\s*(print\(|!)", cell.source, re.MULTILINE):
            assert cell.outputs, cell.source


@pytest.mark.parametrize("name", NAMES)
def test_stored_outputs_are_the_same_on_every_machine(name):
    for cell in code_cells(stored(name)):
        for output in cell.outputs:
            text = text_of(output)
            assert output.output_type != "error"
            assert not [word for word in NOISE if word.lower() in text.lower()], text
            assert not [expression for expression in CHANGING if re.search(expression, text)], text


@pytest.mark.parametrize("name", NAMES)
def test_a_new_run_has_outputs_where_the_stored_one_has_them(executed, name):
    def kinds(notebook):
        return [[o.get("name", o.output_type) for o in c.outputs] for c in code_cells(notebook)]

    assert kinds(executed[name][0]) == kinds(stored(name))


def test_the_keras_classifier_learns_and_survives_saving(executed):
    names = variables(executed, "classify_with_keras")
    assert names["accuracy"] > 0.9
    assert names["history"].history["val_accuracy"][0] < 0.75  # It was not good before training.
    assert list(names["predictions"][:4] > 0.5) == [True, True, False, False]
    assert abs(names["loaded_predictions"] - names["predictions"]).max() < 1e-6


def test_the_served_classifier_answers_as_predict_does(executed):
    names = variables(executed, "finetune_and_serve")
    best = names["metrics"]["best"]
    assert best["accuracy"] > 0.9 > best["majority_accuracy"]
    labels = [answer["label"] for answer in names["answers"]]
    assert labels == ["billing", "delivery", "account", "billing"]
    assert [p["label"] for p in names["response"]["predictions"]] == labels
    assert names["difference"] < 1e-5


def test_questions_are_answered_in_python_and_by_the_export(executed):
    names = variables(executed, "question_answering")
    right = ["Prague", "June", "Maria Costa", "apple pie", "Oslo", "March", "Karl Wolf"]
    right += ["fried fish", "Dublin", "October", "Paul Novak", "onion soup"]
    answers = [answer["answer"] for answer in names["answers"]]
    assert names["served_answers"] == answers
    assert sum(a == b for a, b in zip(answers, right, strict=True)) >= 11, answers


def test_converted_weights_give_the_numbers_of_the_original_code(executed):
    differences = variables(executed, "convert_weights")["differences"]
    assert len(differences) == 3 * 2 + 4
    assert max(differences.values()) < 1e-5


def test_the_notebook_runner_reports_a_failing_cell(tmp_path):
    for source in ("1 / 0", "!albert-tf inspect missing_folder", "!ls"):
        path = tmp_path / "broken.ipynb"
        cell = nbformat.v4.new_code_cell(source)
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
        with pytest.raises(notebooks.CellError, match=r"In the cell\n" + re.escape(source)):
            notebooks.execute(path, tmp_path)
