"""The layout of the package, read from its source: imports, circles, sizes of files.

    python -m tests.support.layout

Imports are those of `import` statements anywhere in a file. Modules may be named as text, to be
imported at first use, in the tables of `BY_NAME` only.
"""

import ast
import re
import statistics

from tests.support.paths import ROOT

# Left may never import right.
ORDER = ["version", "errors", "keras3", "files", "config", "presets", "downloads", "sources"]
ORDER += [
    "embedding_settings",
    "task_types",
    "tokenization",
    "data",
    "formats",
    "modeling",
    "serving",
    "convert",
]
ORDER += ["tasks", "training", "pretraining", "train_lib", "cli", "quickstart", "export"]
# The one import to the right: the command that runs the others.
UPWARD = {("albert_tf/cli/quickstart.py", "quickstart")}
# Tables of modules by name, and what each may name.
BY_NAME = {
    "albert_tf/__init__.py": "",  # the lazy public names
    "albert_tf/cli/main.py": "",  # the table of commands
    "albert_tf/task_types.py": "albert_tf.tasks",  # the classes of a task
}
MAX_LINES, MAX_FILES = 400, 312
_NAME = re.compile(r"albert_tf(\.\w+)+\.?(:\w+)?")


def sources():
    """Returns every Python file of the package, export/ included."""
    folders = (ROOT / "albert_tf", ROOT / "export")
    return [p for folder in folders for p in sorted(folder.rglob("*.py"))]


def module(path):
    """Returns the name that a file is imported by."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "albert_tf" else ("albert_tf", *parts)
    return ".".join(parts).removesuffix(".__init__")


def imports(path):
    """Yields the full names that a file imports."""
    package = module(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = node.module if not node.level else package
            parent = f"{parent}.{node.module}" if node.level and node.module else parent
            yield from (f"{parent}.{alias.name}" for alias in node.names)


def names_as_text(path):
    """Yields the strings of a file that name a module of the package, or the begin of one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and _NAME.fullmatch(node.value):
            yield node.value


def room(name):
    """Returns the folder, or the file at the top, that a full name of the package belongs to."""
    return (name.split(".") + [""])[1]


def problems_of(path):
    """Returns what is wrong with the imports of a file, a line each."""
    file, own = str(path.relative_to(ROOT)), room(module(path))
    problems = []
    for name in imports(path):
        if name.split(".")[0] in ("export", "experiments", "tests", "benchmarks"):
            problems.append(f"{file} imports {name}")
        elif name.startswith("albert_tf.") and own in ORDER and room(name) in ORDER:
            is_upward = ORDER.index(room(name)) > ORDER.index(own)
            if is_upward and (file, room(name)) not in UPWARD:
                problems.append(f"{file} imports {name}, which is to its right")
    for name in names_as_text(path):
        if file not in BY_NAME or not name.startswith(BY_NAME[file]):
            problems.append(f"{file} names {name} as text")
    problems += [
        f"{file} imports {name}"
        for name in imports(path)
        if name in ("importlib", "importlib.import_module") and file not in BY_NAME
    ]
    return problems


def circles():
    """Returns the groups of files that import each other, directly or by way of others."""
    by_module = {module(path): path for path in sources()}
    graph = {
        name: {
            target
            for found in imports(path)
            for target in (found, found.rpartition(".")[0])
            if target in by_module and target != name
        }
        for name, path in by_module.items()
    }
    reached = {name: _reachable(graph, name) for name in graph}
    groups = {
        frozenset(other for other in reached[name] if name in reached[other])
        for name in graph
        if name in reached[name]
    }
    return sorted(map(sorted, groups))


def _reachable(graph, start):
    reached, waiting = set(), list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(graph[name])
    return reached


def lines(path):
    """Returns the number of lines of a file."""
    return path.read_text(encoding="utf-8").count("\n")


def main():
    """Prints the figures and every problem."""
    files = sources()
    sizes = sorted(lines(path) for path in files if lines(path))
    problems = [problem for path in files for problem in problems_of(path)]
    print(f"files: {len(files)} (at most {MAX_FILES})")
    print(f"lines: median {statistics.median(sizes):g}, largest {sizes[-1]} (at most {MAX_LINES})")
    print(f"circles: {circles() or 'none'}")
    print("imports to the right, hidden or from outside: " + ("\n  ".join(problems) or "none"))


if __name__ == "__main__":
    main()
