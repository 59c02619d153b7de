"""The dependency order of the packages: no package imports one to its right."""

import ast

import pytest

from tests.support.paths import ROOT

# Every package may import BASE. A package in ORDER may also import those to its left.
BASE = ["version", "errors", "files", "config", "presets", "task_types"]
ORDER = ["tokenization", "data", "formats", "modeling", "serving", "convert", "tasks"]
ORDER += ["training", "pretraining", "train_lib", "cli", "quickstart"]


def allowed(package):
    if package in BASE:
        return set(BASE)
    if package not in ORDER:
        return {*BASE, *ORDER}
    return {*BASE, *ORDER[: ORDER.index(package) + 1]}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources():
    return [p for p in sorted((ROOT / "albert_tf").rglob("*.py")) if "__pycache__" not in p.parts]


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_package_imports_only_packages_to_its_left(path):
    package = path.relative_to(ROOT / "albert_tf").parts[0].removesuffix(".py")
    for name in imports(path):
        parts = name.split(".")
        assert parts[0] not in ("export", "experiments", "tests", "benchmarks"), name
        if parts[0] == "albert_tf" and len(parts) > 1 and parts[1] != "__version__":
            # quickstart is the only command that runs other commands.
            if package == "cli" and parts[1] == "quickstart" and path.name == "quickstart.py":
                continue
            assert parts[1] in allowed(package), f"{path} imports {name}"


def test_a_wrong_import_is_detected(tmp_path):
    file = tmp_path / "wrong.py"
    file.write_text("from albert_tf.training import runner\nimport albert_tf.cli.main\n")
    assert list(imports(file)) == ["albert_tf.training.runner", "albert_tf.cli.main"]
    assert "training" not in allowed("modeling") and "modeling" in allowed("training")


def test_every_source_file_has_at_most_400_lines():
    for path in [*sources(), *(ROOT / "export").glob("*.py")]:
        assert path.read_text(encoding="utf-8").count("\n") <= 400, path
