"""The layout of the package: the order of its folders, no circles, short files."""

import statistics

import pytest

from tests.support import layout
from tests.support.paths import ROOT


@pytest.mark.parametrize("path", layout.sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_from_its_left(path):
    assert layout.problems_of(path) == []


def test_no_files_import_each_other():
    assert layout.circles() == []


def test_every_folder_has_a_place_in_the_order():
    rooms = {layout.room(layout.module(path)) for path in layout.sources()}
    assert rooms - {"", "__main__"} == set(layout.ORDER)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "from albert_tf.training import runner",
            "albert_tf.training.runner, which is to its right",
        ),
        ("import albert_tf.cli.main", "albert_tf.cli.main, which is to its right"),
        ("def f():\n    from albert_tf.tasks import base", "albert_tf.tasks.base, which is to its"),
        ("from tests.support import paths", "imports tests.support.paths"),
        ('NAME = "albert_tf.convert.load"', "names albert_tf.convert.load as text"),
        ("from importlib import import_module", "imports importlib.import_module"),
        ("import importlib", "imports importlib"),
    ],
)
def test_a_wrong_import_is_found(text, problem, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "ROOT", tmp_path)
    path = tmp_path / "albert_tf/modeling/wrong.py"
    path.parent.mkdir(parents=True)
    path.write_text(text + "\n")
    (found,) = layout.problems_of(path)
    assert problem in found


def test_a_circle_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "ROOT", tmp_path)
    for name, other in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")):
        path = tmp_path / f"albert_tf/data/{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"def f():\n    from albert_tf.data import {other}\n")
    assert layout.circles() == [[f"albert_tf.data.{name}" for name in "abc"]]


def test_files_are_short_and_few():
    sizes = [size for path in layout.sources() if (size := layout.lines(path))]
    assert len(layout.sources()) <= layout.MAX_FILES
    assert max(sizes) <= layout.MAX_LINES
    assert 60 <= statistics.median(sizes) <= 150
