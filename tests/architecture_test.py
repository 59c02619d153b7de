"""The dependency order of the rooms: left may never import right."""

import ast

import pytest

from tests.support.paths import ROOT

# What each room may import besides itself and what stands to its left.
BASE = ["version", "errors", "files", "config", "presets", "task_types"]
LINE = ["tokenization", "data", "formats", "modeling", "serving", "convert", "tasks"]
LINE += ["training", "pretraining", "train_lib", "cli", "quickstart"]


def allowed(room):
    if room in BASE:
        return set(BASE)
    return {*BASE, *LINE[: LINE.index(room) + 1]} if room in LINE else {*BASE, *LINE}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources():
    return [p for p in sorted((ROOT / "albert_tf").rglob("*.py")) if "__pycache__" not in p.parts]


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_room_imports_only_what_stands_left_of_it(path):
    room = path.relative_to(ROOT / "albert_tf").parts[0].removesuffix(".py")
    for name in imports(path):
        parts = name.split(".")
        assert parts[0] not in ("export", "experiments", "tests", "benchmarks"), name
        if parts[0] == "albert_tf" and len(parts) > 1 and parts[1] != "__version__":
            # quickstart is the one command that runs the others.
            if room == "cli" and parts[1] == "quickstart" and path.name == "quickstart.py":
                continue
            assert parts[1] in allowed(room), f"{path} imports {name}"


def test_the_rule_sees_a_wrong_import(tmp_path):
    file = tmp_path / "wrong.py"
    file.write_text("from albert_tf.training import runner\nimport albert_tf.cli.main\n")
    assert list(imports(file)) == ["albert_tf.training.runner", "albert_tf.cli.main"]
    assert "training" not in allowed("modeling") and "modeling" in allowed("training")


def test_every_source_file_has_at_most_400_lines():
    for path in [*sources(), *(ROOT / "export").glob("*.py")]:
        assert path.read_text(encoding="utf-8").count("\n") <= 400, path
