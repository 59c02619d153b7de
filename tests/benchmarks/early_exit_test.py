"""The benchmark of early exit, on tiny models and in this process."""

import json
import sys
import types

import pytest

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from benchmarks import early_exit
from tests.support import tiny_task

LAYERS = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model with early exit, and 40 labelled texts."""
    root = tmp_path_factory.mktemp("early_exit")
    model = AlbertClassifier(
        AlbertConfig(**tiny_task.MODEL), labels=["x", "y", "z"], early_exit="joint"
    )
    model.save_pretrained(root / "model", AlbertTokenizer(tiny_task.VOCAB))
    words = ("sun", "rain and wind", "a long story of snow", "tea")
    rows = [dict(text=f"{words[i % 4]} {i}", label="xyz"[i % 3]) for i in range(40)]
    (root / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def rows(folder, monkeypatch, capsys, *flags):
    """The tables that the command prints, as {texts in a request: {threshold: columns}}."""
    arguments = ["--model", str(folder / "model"), "--data", str(folder / "data.jsonl")]
    monkeypatch.setattr(sys, "argv", ["early_exit", *arguments, "--rounds", "1", *flags])
    early_exit.main()
    tables = {}
    for line in capsys.readouterr().out.splitlines():
        if " text(s) in a request" in line:
            table = tables.setdefault(int(line.split()[0]), {})
        elif line.startswith("| ") and "threshold" not in line:
            name, *columns = (part.strip() for part in line.strip("|").split("|"))
            table[name] = columns
    return tables


def test_each_threshold_has_its_metric_and_mean_layers(folder, monkeypatch, capsys):
    tables = rows(folder, monkeypatch, capsys, "--batches", "3", "8")
    assert list(tables) == [3, 8]
    for table in tables.values():
        assert [name.split(",")[0] for name in table] == [
            "all layers", "tuned", "0.5", "0.6", "0.7", "0.8", "0.9", "1.0"]  # fmt: skip
        assert table["1.0"][:2] == table["all layers"][:2]
        assert table["all layers"][1] == "2.00"
        assert table["all layers"][3] == "1.00 (1.00 to 1.00)"
    assert [row[:2] for row in tables[3].values()] == [row[:2] for row in tables[8].values()]


def test_another_size_has_thresholds_for_numbers_of_layers(folder, monkeypatch, capsys):
    sizes = AlbertConfig(**{**tiny_task.MODEL, "num_hidden_layers": LAYERS, "vocab_size": 1})
    tiny = {"tiny": types.SimpleNamespace(config=sizes)}
    monkeypatch.setattr(early_exit.presets, "PRESETS", tiny)
    table = rows(folder, monkeypatch, capsys, "--batches", "8", "--preset", "tiny")[8]
    plain, *chosen, never = [float(columns[1]) for columns in table.values()]
    assert (plain, never) == (LAYERS, LAYERS)
    for layers, wanted in zip(chosen, early_exit.MEAN_LAYERS, strict=True):
        assert abs(layers - wanted) < 0.8


def test_a_model_without_early_exit_is_refused(folder, monkeypatch, capsys, tmp_path):
    model = AlbertClassifier(AlbertConfig(**tiny_task.MODEL), labels=["x", "y", "z"])
    model.save_pretrained(tmp_path / "model", AlbertTokenizer(tiny_task.VOCAB))
    (tmp_path / "data.jsonl").write_bytes((folder / "data.jsonl").read_bytes())
    for flags in ((), ("--preset", "albert_base_v2")):
        message = (
            "The model must have heads for early exit. Received '.*', which has none. Train it"
        )
        with pytest.raises(InputError, match=message):
            rows(tmp_path, monkeypatch, capsys, *flags)


def test_an_unknown_size_is_refused(folder, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stopped:
        rows(folder, monkeypatch, capsys, "--preset", "albert_bass")
    assert stopped.value.code == 2
    assert "argument --preset: invalid choice: 'albert_bass'" in capsys.readouterr().err
