"""Executes the notebooks of examples/ in this process, and stores their outputs.

    python -m tests.support.notebooks            # as `make examples`
    python -m tests.support.notebooks NAME ...   # some of them

Importing TensorFlow takes longer than any cell, so there is one process for all: cells run in an
IPython shell without a kernel, and `!albert-tf ...` calls the command line in the same process.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

# Before TensorFlow is imported, as the first cell of each notebook does it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import nbformat
from IPython.core.display_trap import DisplayTrap
from IPython.core.displayhook import CapturingDisplayHook
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from albert_tf.cli import main
from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


class CellError(Exception):
    """A cell raised an error, or a command of it failed."""


class Shell(InteractiveShell):
    """Runs `!albert-tf ...` in this process; other commands are refused."""

    def system(self, cmd: str) -> None:
        """Runs a command. Its notes and progress on standard error show only if it fails."""
        program, *arguments = shlex.split(self.var_expand(cmd, depth=1))
        if program != "albert-tf":
            raise CellError(f"Commands must be albert-tf ones. Received {cmd!r}.")
        notes = io.StringIO()
        with contextlib.redirect_stderr(notes):
            status = main.run(main.parse([program, *arguments]))
        if status:
            raise CellError(f"{cmd}\nended with status {status}:\n{notes.getvalue()}")


def paths() -> list[Path]:
    """Returns the notebooks of the checkout."""
    return sorted(EXAMPLES.glob("*.ipynb"))


def execute(path: Path, work: Path) -> tuple[nbformat.NotebookNode, dict]:
    """Runs all cells of a notebook.

    Args:
      path: the notebook, which is not changed.
      work: a folder for its temporary files.

    Returns:
      The notebook with its outputs, and the variables that it ends with.

    Raises:
      CellError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    with _shell(path.parent, work) as shell:
        count = 0
        for cell in notebook.cells:
            if cell.cell_type == "code":
                count += 1
                cell.outputs, cell.execution_count = _run(shell, cell.source, count), count
        return notebook, dict(shell.user_ns)


def store(path: Path, notebook: nbformat.NotebookNode) -> None:
    """Writes a notebook in a form that depends on its cells alone."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", nbformat.NotebookNode()
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


@contextlib.contextmanager
def _shell(folder: Path, work: Path) -> Iterator[Shell]:
    """Yields a shell that works in a folder, and undoes what it changed in this process."""
    import tf_keras

    tf_keras.backend.clear_session()
    cwd = Path.cwd()
    before = list(sys.path), dict(os.environ), tempfile.tempdir
    hooks = sys.excepthook, sys.displayhook, sys.modules["__main__"], warnings.filters[:]
    shell = Shell.instance(
        config=Config(HistoryManager=dict(enabled=False)), ipython_dir=str(work), colors="nocolor"
    )
    try:
        os.chdir(folder)
        # As in Jupyter: beside the notebook, with albert_tf installed and no checkout on the path.
        sys.path[:] = [str(folder), *(p for p in sys.path if Path(p).resolve() not in (ROOT, cwd))]
        tempfile.tempdir = str(work)
        yield shell
    finally:
        shell.restore_sys_module_state()
        Shell.clear_instance()
        sys.excepthook, sys.displayhook, sys.modules["__main__"], warnings.filters[:] = hooks
        os.chdir(cwd)
        sys.path[:], environment, tempfile.tempdir = before
        os.environ.clear()
        os.environ.update(environment)


def _run(shell: Shell, source: str, count: int) -> list[nbformat.NotebookNode]:
    results = []
    shell.display_trap = DisplayTrap(hook=CapturingDisplayHook(shell=shell, outputs=results))
    with capture_output() as captured:
        finished = shell.run_cell(source)
    if not finished.success:
        error = finished.error_before_exec or finished.error_in_exec
        raise CellError(f"In the cell\n{source}\n{error!r}\n{captured.stdout}{captured.stderr}")
    new = nbformat.v4.new_output
    streams = {"stdout": captured.stdout, "stderr": captured.stderr}
    return [
        *(new("stream", name=name, text=text) for name, text in streams.items() if text),
        *(new("display_data", data=shown.data) for shown in captured.outputs),
        *(new("execute_result", data=shown["data"], execution_count=count) for shown in results),
    ]


if __name__ == "__main__":
    wanted = [EXAMPLES / name for name in sys.argv[1:]] or paths()
    for path in wanted:
        with tempfile.TemporaryDirectory() as work:
            notebook, _ = execute(path, Path(work))
        store(path, notebook)
        print(f"{path.relative_to(ROOT)}: stored")
