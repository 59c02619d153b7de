"""`manifest.json` of pretraining data: what it was made from, which shards are finished, counts.

The identity (settings, vocabulary, preprocessing, text) decides whether a directory may be resumed.
Paths are not part of it, and no path is stored: data may move.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from albert_tf.data.documents import FileCounts
from albert_tf.data.storage import check_new, expand, location, replacing
from albert_tf.errors import InputError
from albert_tf.pretraining.records.build_settings import BuildSettings
from albert_tf.tokenization.tokenizer import AlbertTokenizer

NAME = "manifest.json"
FORMAT = 1  # of the manifest and of the records


def identity(
    paths: Sequence[Path],
    counts: Sequence[FileCounts],
    tokenizer: AlbertTokenizer,
    settings: BuildSettings,
) -> dict[str, Any]:
    """Returns what a build is made from; equal identities give equal bytes."""
    return {
        "format": FORMAT,
        "settings": settings.to_dict(),
        "vocabulary": {
            "size": tokenizer.vocab_size,
            "sha256": hashlib.sha256(tokenizer.model_proto).hexdigest(),
        },
        "preprocessing": tokenizer.preprocessing.to_dict(),
        "input": [{"name": p.name, **c._asdict()} for p, c in zip(paths, counts)],
    }


def start(directory: Path, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the manifest to go on with: that of the directory, or a new one. Writes nothing.

    Raises:
      InputError: the directory holds other files, or data of another identity.
    """
    if not (directory / NAME).is_file():
        check_new(directory)
        return {**wanted, "complete": False, "shards": {}}
    found = read(directory)
    different = [key for key in wanted if found.get(key) != wanted[key]]
    if different:
        settings = {**wanted["settings"], **found.get("settings", {})}
        changes = [
            f"{key}: {settings[key]!r} there, {value!r} here"
            for key, value in wanted["settings"].items()
            if settings[key] != value
        ]
        raise InputError(
            "An output directory may be resumed with the same settings, vocabulary and text only. "
            f"Received '{directory}', whose {NAME} differs in {', '.join(different)}"
            f"{' (' + '; '.join(changes) + ')' if changes else ''}. Name another directory."
        )
    return found


def read(directory: str | os.PathLike) -> dict[str, Any]:
    """Reads the manifest of a directory of pretraining data.

    Raises:
      InputError: there is none, or it is not JSON.
    """
    path = location(directory) / NAME
    if not path.is_file():
        raise InputError(
            f"Pretraining data must have a manifest. Received '{directory}' without {NAME}. Name a "
            "directory that `albert-tf data build` wrote."
        )
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"A manifest must be JSON. Received '{path}': {error}.") from error


def save(directory: Path, manifest: Mapping[str, Any]) -> None:
    """Writes the manifest; readers see the old one or the new one."""
    with replacing(directory / NAME) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def total(shards: Iterable[Mapping[str, Any]]) -> Counter:
    """Returns the sum of the counts of shards."""
    counts: Counter = Counter()
    for shard in shards:
        counts.update(shard["counts"])
    return counts


def check_vocabulary(input_files: str | Sequence[str], tokenizer: AlbertTokenizer) -> None:
    """Checks that the records beside a manifest were made with this vocabulary.

    Folders without a manifest, such as those of the original script, pass.

    Raises:
      InputError: vocabulary or preprocessing settings differ.
    """
    digest = hashlib.sha256(tokenizer.model_proto).hexdigest()
    for folder in sorted({path.parent for path in expand(input_files)}, key=str):
        if not (folder / NAME).is_file():
            continue
        found = read(folder)
        if found["vocabulary"]["sha256"] != digest:
            raise InputError(
                "Records must be made with the vocabulary of the run. Received records in "
                f"'{folder}' made with another one of {found['vocabulary']['size']} pieces. Name "
                "that vocabulary, or build the data again."
            )
        if found["preprocessing"] != tokenizer.preprocessing.to_dict():
            raise InputError(
                "Records must be made with the preprocessing of the run. Received "
                f"{found['preprocessing']} in '{folder}' and {tokenizer.preprocessing.to_dict()} "
                "here. Mend the vocabulary's settings, or build the data again."
            )
