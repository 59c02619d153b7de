"""A map on the workers of Apache Beam: order, errors, and what is left of a killed run."""

import sys

import pytest

from albert_tf.data import beam_map
from albert_tf.data.beam_map import BeamMap, new_pipeline
from albert_tf.errors import InputError

ITEMS = [f"text {number}" for number in range(37)]


def reverser(end):
    def reverse(text):
        if text == "text 23":
            raise InputError("Texts must not be 23. Received one.")
        return text[::-1] + end

    return reverse


def breaker(end):
    def divide(text):
        return 1 / (text != "text 5")

    return divide


def mapped(folder, items, make=reverser):
    return BeamMap(new_pipeline("DirectRunner", []), folder)(make, ("!",), iter(items))


def test_results_come_in_the_order_of_the_items(tmp_path, monkeypatch):
    monkeypatch.setattr(beam_map, "_SECONDS", 0.01)
    (tmp_path / "work").mkdir()
    (tmp_path / "work/00000003.result").write_text("of a killed run")
    items = [text for text in ITEMS if text != "text 23"]
    results = list(mapped(tmp_path / "work", items))
    assert results == [text[::-1] + "!" for text in items]
    assert not list(tmp_path.iterdir())


def test_no_items_give_no_results(tmp_path):
    assert list(mapped(tmp_path / "work", [])) == []


def test_an_error_of_an_item_is_that_of_the_map(tmp_path):
    found = []
    with pytest.raises(InputError, match="^Texts must not be 23. Received one.$"):
        found.extend(mapped(tmp_path / "work", ITEMS))
    assert not list(tmp_path.iterdir())


def test_a_failed_pipeline_is_one_error(tmp_path):
    with pytest.raises(InputError, match="must finish their work.*division.*Run the same") as error:
        list(mapped(tmp_path / "work", ITEMS, breaker))
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("runner", "options", "message"),
    [
        ("NoRunner", [], "a runner of Apache Beam. Received 'NoRunner'.*Valid"),
        (None, ["--direct_num_workers", "2"], "Received --direct_num_workers 2 without --runner"),
        ("", ["x"], "Pipeline options need a runner"),
    ],
)
def test_a_wrong_runner_is_an_error(runner, options, message):
    with pytest.raises(InputError, match=message):
        new_pipeline(runner, options)


def test_beam_must_be_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(InputError, match=r"--runner needs .*pip install 'albert-tf\[beam\]'"):
        new_pipeline("DirectRunner", [])
