"""`manifest.json` of pretraining data: its identity, the finished shards and the counts.

The identity (settings, vocabulary, preprocessing, text) determines whether a build can be resumed
in a directory. It contains no paths, and none are stored, so that data can be moved.
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
from albert_tf.files import read_json
from albert_tf.pretraining.records.build_settings import BuildSettings
from albert_tf.tokenization.tokenizer import AlbertTokenizer

NAME = "manifest.json"
FORMAT = 1  # The format version of the manifest and the records.


def identity(
    paths: Sequence[Path],
    counts: Sequence[FileCounts],
    tokenizer: AlbertTokenizer,
    settings: BuildSettings,
) -> dict[str, Any]:
    """Returns the identity of a build; builds with the same identity give the same bytes."""
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
    """Returns the directory's manifest to resume from, or a new one; writes nothing.

    Raises:
      InputError: the directory has other files, or data with a different identity.
    """
    if not (directory / NAME).is_file():
        check_new(directory)
        return {**wanted, "complete": False, "shards": {}}
    stored = read(directory, "settings", "complete", "shards")
    different = [key for key in wanted if stored.get(key) != wanted[key]]
    if different:
        settings = {**wanted["settings"], **stored["settings"]}
        changes = [
            f"{key}: {settings[key]!r} there, {value!r} here"
            for key, value in wanted["settings"].items()
            if settings[key] != value
        ]
        raise InputError(
            "A build can be resumed only with the same settings, vocabulary and text. "
            f"Received '{directory}', whose {NAME} differs in {', '.join(different)}"
            f"{' (' + '; '.join(changes) + ')' if changes else ''}. Choose another directory."
        )
    return stored


def read(directory: str | os.PathLike, *needed: str) -> dict[str, Any]:
    """Reads the manifest of a directory of pretraining data.

    Args:
      directory: the directory.
      *needed: the keys that the manifest must have; the settings by default.

    Raises:
      InputError: the manifest is missing, is not JSON, lacks a key, or has a value of another type
        than `save` writes.
    """
    path = location(directory) / NAME
    if not path.is_file():
        raise InputError(
            f"Pretraining data must have a manifest. Received '{directory}', which has no {NAME}. "
            "Pass a directory that `albert-tf data build` wrote."
        )
    values = read_json(path, "A manifest")
    for key in {*(needed or ("settings",)), *values} & set(_FORM):
        if not _has_form(values.get(key), _FORM[key]):
            raise InputError(
                f"A manifest must be as `albert-tf data build` wrote it. Received '{path}' with "
                f"{values.get(key)!r:.80} for {key!r}. Restore the file, or rebuild the data."
            )
    return values


# The types or ranges of values, with the keys that objects must have; "*" is for all keys.
_FORM: dict[str, Any] = {
    "settings": {"max_seq_length": range(1, 2**31)},
    "vocabulary": {"size": int, "sha256": str},
    "preprocessing": {},
    "complete": bool,
    "shards": {"*": {"sha256": {"*": str}, "counts": {"*": int}}},
    "counts": {"*": int},
}


def _has_form(value: Any, form: Any) -> bool:
    if isinstance(form, range):
        return type(value) is int and value in form
    if not isinstance(form, dict):
        return type(value) is form
    if not isinstance(value, dict):
        return False
    if "*" in form:
        return all(_has_form(entry, form["*"]) for entry in value.values())
    return all(key in value and _has_form(value[key], form[key]) for key in form)


def save(directory: Path, manifest: Mapping[str, Any]) -> None:
    """Writes the manifest atomically: readers see either the old or the new one."""
    with replacing(directory / NAME) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def total(shards: Iterable[Mapping[str, Any]]) -> Counter:
    """Returns the sum of the counts of shards."""
    counts: Counter = Counter()
    for shard in shards:
        counts.update(shard["counts"])
    return counts


def check_vocabulary(input_files: str | Sequence[str], tokenizer: AlbertTokenizer) -> None:
    """Checks that records with a manifest were built with this vocabulary.

    Records without a manifest, such as those of the original script, are not checked.

    Raises:
      InputError: the vocabulary or the preprocessing settings differ.
    """
    digest = hashlib.sha256(tokenizer.model_proto).hexdigest()
    for folder in sorted({path.parent for path in expand(input_files)}, key=str):
        if not (folder / NAME).is_file():
            continue
        stored = read(folder, "vocabulary", "preprocessing")
        if stored["vocabulary"]["sha256"] != digest:
            raise InputError(
                "Records must be built with the vocabulary of the run. Received records in "
                f"'{folder}' built with another vocabulary, of {stored['vocabulary']['size']} "
                "pieces. Use that vocabulary, or rebuild the data."
            )
        if stored["preprocessing"] != tokenizer.preprocessing.to_dict():
            raise InputError(
                "Records must be built with the preprocessing of the run. Received "
                f"{str(stored['preprocessing']):.200} in '{folder}' and "
                f"{tokenizer.preprocessing.to_dict()} here. Correct the settings of the "
                "vocabulary, or rebuild the data."
            )
