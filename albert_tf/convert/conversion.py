"""`convert`: one model from any format to another, proved by its numbers."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path
from typing import Any

from albert_tf import files
from albert_tf.convert import compare
from albert_tf.errors import InputError, closest
from albert_tf.formats import load, mapping, names
from albert_tf.formats.source import Source
from albert_tf.tokenization import model_files
from albert_tf.version import __version__

REPORT = "conversion_report.json"
# Float32 rounding through all layers of the released sizes stays below this.
LIMIT = 1e-5


def writable() -> list[str]:
    """Returns the names of the formats that can be written."""
    return [name for name, module in load.FORMATS.items() if hasattr(module, "write")]


def convert(
    path_or_handle: str | os.PathLike,
    to: str,
    dest: str | os.PathLike,
    allow_partial: bool = False,
) -> dict[str, Any]:
    """Writes the model that lies somewhere in another format, and returns the report.

    It is written under a temporary name, read again, compared with the source, and only then
    renamed to `dest`, where conversion_report.json tells what was done.

    Args:
      path_or_handle: what `load` takes.
      to: a format of `writable`.
      dest: a new or empty folder.
      allow_partial: leave behind what has no place on the other side, and report it.

    Raises:
      InputError: a name is unknown, `dest` exists, the source cannot be read or is not complete,
        the format cannot hold it, or the result's numbers differ by more than `LIMIT`.
    """
    if to not in writable():
        raise InputError(
            f"A model can be converted to a format that is written. Received {to!r}. "
            f"{closest(to, writable())}"
        )
    files.check_new_directory(dest)
    source = load.load(path_or_handle)
    left = _check_complete(source, to, allow_partial)
    module = load.FORMATS[to]
    with files.new_directory(dest) as folder:
        notes = [*source.notes, *module.write(source, folder)]
        notes += getattr(module, "write_vocabulary", _copy_vocabulary)(source, folder)
        gc.collect()  # Keras layers are cycles: a model that was built to write goes only now.
        result = load.load(folder)
        report = _report(source, result, left, notes)
        _check_same(report, source)
        (folder / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def _copy_vocabulary(source: Source, folder: Path) -> tuple[str, ...]:
    """Copies the SentencePiece model of a source to formats without rules of their own."""
    if source.model_file is None:
        return ("the source has no SentencePiece model: none is written",)
    model_files.copy(source.model_file, source.preprocessing, folder)
    return ()


def _check_complete(source: Source, to: str, allow_partial: bool) -> tuple[str, ...]:
    """Returns our names of what will be left behind."""
    needed = [name for name, part in source.parts.items() if part == "encoder"]
    if source.task is not None and not source.task.type.uses_pooler:
        needed = [name for name in needed if "/pooler/" not in name]
    missing = [name for name in needed if name not in source.weights]
    if missing:
        raise InputError(
            f"An encoder must be complete to be converted. Received '{source.path}' "
            f"({source.format}) without {mapping.shortened(missing)}."
        )
    heads = [n for n in source.weights if (h := names.head(n)) and h not in source.heads]
    left = (*mapping.without_place(to, source), *heads)
    if (left or source.unread) and not allow_partial:
        raise InputError(
            f"Every weight must find its place. Received '{source.path}' ({source.format}): "
            f"unread {mapping.shortened(source.unread) or 'none'}; without a place in {to} "
            f"{mapping.shortened(left) or 'none'}. Pass --allow_partial to leave them behind."
        )
    return left


def _report(source: Source, result: Source, left: tuple[str, ...], notes: list[str]) -> dict:
    return {
        "albert_tf": __version__,
        "source": {"name": Path(source.path).name, "format": source.format},
        "result": {"format": result.format, "heads": list(result.heads)},
        "weights": len(result.weights),
        "parameters": result.weights.parameters,
        "skipped": dict(source.skipped),
        "left_behind": [*left, *source.unread],
        "notes": notes,
        "largest_weight_difference": compare.weight_difference(source, result),
        "largest_output_difference": compare.output_differences(source, result),
        "limit": LIMIT,
    }


def _check_same(report: dict, source: Source) -> None:
    differences = report["largest_output_difference"]
    name = max(differences, key=differences.get)
    # A NaN compares as no number at all, so the question is whether it is below.
    if not all(value <= LIMIT for value in differences.values()):
        raise InputError(
            f"A conversion must keep the numbers to {LIMIT}. Received differences {differences} "
            f"for '{source.path}', the largest in {name}. Nothing was written."
        )
