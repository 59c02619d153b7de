"""A task model: reads a fine-tuned or pretrained model, writes it with its tokenizer, verifies."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from albert_tf.files import check_new_directory

from . import assets, model_card, task_source, versions, warmup, writer
from .task_source import Settings
from .verify import verify

KIND = "task_model"


def export(
    source: str | os.PathLike,
    base: str | os.PathLike,
    version: str = versions.NEXT,
    settings: Settings = task_source.DEFAULTS,
    check: bool = True,
) -> Path:
    """Writes a model of any known format for TensorFlow Serving: raw text in, answers out.

    Args:
      source: a run of fine-tuning, whose best checkpoint is taken, or any model with a head, or
        without one for embeddings.
      base: the folder of all versions; see `versions.folder`.
      version: a whole number or "next".
      settings: how it reads and answers.
      check: whether to reload the artefact in another process and compare it with
        `albert-tf predict`.

    Returns:
      The folder of the version.

    Raises:
      InputError: there is such a version, or `source` cannot be served (`task_source.read`); before
        anything is written.
      VerificationError: the artefact does not answer as `albert-tf predict` does.
    """
    dest = check_new_directory(versions.folder(base, version), writer.WHAT)
    found = task_source.read(source, settings)
    task, tokenizer = found.task, found.tokenizer
    description = {
        "kind": KIND,
        "task": task.kind,
        "config": found.config.to_dict(),
        "labels": list(found.labels),
        "seq_length": task.seq_length,
        "preprocessing": tokenizer.preprocessing.to_dict(),
    }
    with tempfile.TemporaryDirectory() as folder:
        files = assets.write(Path(folder), tokenizer, found.config)
        if found.labels:
            files["labels"] = Path(folder, "labels.txt")
            files["labels"].write_text("".join(f"{label}\n" for label in found.labels))
        return writer.write(
            task.module(files),
            dest,
            task.signatures(),
            description,
            model_card.task(description, task.table),
            (lambda path: verify(path, found.cases())) if check else None,
            warmup.of_task(task),
        )
