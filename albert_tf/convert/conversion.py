"""`convert`: converts a model between formats and verifies that its outputs stay the same."""

from __future__ import annotations

import dataclasses
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
# The float32 rounding error through all layers of the released sizes stays below this.
LIMIT = 1e-5
# The heads of early exit, and the settings in task.json of models that have them.
_EXITS, _OF_EXITS = "head/exits/", ("early_exit", "exit_threshold")


def writable() -> list[str]:
    """Returns the names of the formats that can be written."""
    return [name for name, module in load.FORMATS.items() if hasattr(module, "write")]


def convert(
    path_or_handle: str | os.PathLike | Source,
    to: str,
    dest: str | os.PathLike,
    allow_partial: bool = False,
) -> dict[str, Any]:
    """Converts a model to another format and returns the report.

    The result is written under a temporary name, read back, and compared with the source. Only
    then is it renamed to `dest`, together with conversion_report.json, which describes the
    conversion.

    Args:
      path_or_handle: anything that `load` accepts, or its result.
      to: the target format, one of `writable()`.
      dest: a new or empty folder.
      allow_partial: whether to leave out weights that the target format cannot store. The report
        lists them.

    Raises:
      InputError: the format is unknown or cannot be written, `dest` is not empty, the source
        cannot be read or is incomplete, the disk has not enough room, the target
        format cannot store it, or the outputs differ by more than `LIMIT`.
    """
    if to not in writable():
        raise InputError(
            f"The target of a conversion must be a format that can be written. Received {to!r}. "
            f"{closest(to, writable())}"
        )
    files.check_new_directory(dest)
    source = load.load(path_or_handle)
    left = _check_complete(source, to, allow_partial)
    _check_pooling(source, to)
    if any(name.startswith(_EXITS) for name in left):
        source = _without_exits(source)
    module = load.FORMATS[to]
    with files.new_directory(dest, size=source.weights.size) as folder:
        notes = [*source.notes, *module.write(source, folder)]
        notes += getattr(module, "write_vocabulary", _copy_vocabulary)(source, folder)
        notes += (*_notes_on_windows(source, to), *_notes_on_added_tokens(source, to))
        gc.collect()  # Keras layers form cycles: this frees a model that the writer built.
        result = load.load(folder)
        report = _report(source, result, left, notes)
        _check_same(report, source)
        (folder / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def _copy_vocabulary(source: Source, folder: Path) -> tuple[str, ...]:
    """Copies the vocabulary for formats that do not prescribe how to store it."""
    if source.model_file is None:
        return ("the source has no vocabulary, so none is written",)
    model_files.copy(source.model_file, source.preprocessing, folder)
    return ()


def _notes_on_windows(source: Source, to: str) -> tuple[str, ...]:
    windows = source.task.settings.get("windows", "first") if source.task else "first"
    if windows == "first" or to == "checkpoint":
        return ()
    return (
        f"the model reads long texts with WINDOWS={windows!r}, which other libraries do not know: "
        "they read the first tokens of a text only",
    )


def _check_pooling(source: Source, to: str) -> None:
    task = source.task
    pooling = task.settings.get("pooling") if task and task.type.has_labels else None
    if pooling == "mean" and to != "checkpoint":
        raise InputError(
            "Classifiers of other libraries read the pooled output only. Received "
            f"'{source.path}', which was trained with POOLING=mean, to convert to {to}. Convert it "
            "to checkpoint, or train with POOLING=pooled."
        )


def _without_exits(source: Source) -> Source:
    """Returns the source as a model without early exit, for formats that cannot store its heads."""
    settings = {n: v for n, v in source.task.settings.items() if n not in _OF_EXITS}
    return dataclasses.replace(source, task=dataclasses.replace(source.task, settings=settings))


def _notes_on_added_tokens(source: Source, to: str) -> tuple[str, ...]:
    tokens = source.preprocessing.added_tokens if source.preprocessing else ()
    if not tokens or to not in ("tf1", "model_garden"):
        return ()
    return (
        f"the library of this format splits the {len(tokens)} added tokens, which only this "
        "package reads from *.preprocess.json; their rows are the last ones of the word table",
    )


def _check_complete(source: Source, to: str, allow_partial: bool) -> tuple[str, ...]:
    """Returns our names of the weights that the conversion leaves out."""
    needed = [name for name, part in source.parts.items() if part == "encoder"]
    if source.task is not None and not source.task.type.uses_pooler:
        needed = [name for name in needed if "/pooler/" not in name]
    missing = [name for name in needed if name not in source.weights]
    if missing:
        remedy = "Copy or download it again."
        if all("/pooler/" in name for name in missing):
            remedy = (
                "Masked language models are often saved without a pooler. Continue pretraining or "
                "fine-tune from it (INIT_FROM), which adds one, and convert the result."
            )
        raise InputError(
            f"Only a complete encoder can be converted. Received '{source.path}' "
            f"({source.format}), which lacks {mapping.shortened(missing)}. {remedy}"
        )
    heads = [n for n in source.weights if (h := names.head(n)) and h not in source.heads]
    left = (*mapping.without_place(to, source), *heads)
    if (left or source.unread) and not allow_partial:
        lost = [f"not recognised: {mapping.shortened(source.unread)}"] if source.unread else []
        lost += [f"not supported by {to}: {mapping.shortened(left)}"] if left else []
        raise InputError(
            "A conversion must keep every weight. Received weights that would be lost from "
            f"'{source.path}' ({source.format}): {'; '.join(lost)}. Pass --allow_partial to leave "
            "them out."
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
    # Every comparison with NaN is false, so this form of the condition also rejects NaN.
    if not all(value <= LIMIT for value in differences.values()):
        raise InputError(
            f"A conversion must not change outputs by more than {LIMIT}. Received differences "
            f"{differences} for '{source.path}', the largest in {name}. Nothing was written."
        )
