"""A labelled set that every machine has: sentences, and the installed package each comes from.

Sentences are those of docstrings.py. Packages that copy from each other share sentences: one that
stands in two packages is left out. Training and held-out sentences come from different files.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from albert_tf.errors import InputError
from albert_tf.files import replacing
from albert_tf.quickstart import docstrings
from albert_tf.quickstart.docstring_prose import sentences

MIN_WORDS = 5


def write(
    train_path: str | os.PathLike,
    dev_path: str | os.PathLike,
    *,
    packages: int = 5,
    per_package: int = 1000,
    dev_share: float = 0.2,
    roots: Iterable[str | os.PathLike] | None = None,
) -> str:
    """Writes two JSON Lines files with "text" and "label" and returns a line that counts them.

    Args:
      train_path: the larger file.
      dev_path: the smaller one, from other source files.
      packages: how many; those with the most source files are taken.
      per_package: at most so many sentences of each, shared ones counted, so that classes are of
        like size.
      dev_share: share of source files that are held out.
      roots: folders of packages; by default those of this Python.

    Raises:
      InputError: there are not so many packages with sentences in both files.
    """
    roots = docstrings.installed_roots()[1:] if roots is None else [Path(root) for root in roots]
    files = [(name, path) for name, path in docstrings.source_files(roots) if "/" in name]
    counts = Counter(_package(name) for name, _ in files)
    chosen = sorted(name for name, _ in counts.most_common(packages))
    found: dict[str, dict[str, list[str]]] = {}
    for package in chosen:
        mine = [(name, path) for name, path in files if _package(name) == package]
        found[package] = _sentences(mine, per_package, dev_share)
    owners = Counter(text for parts in found.values() for text in {*parts["train"], *parts["dev"]})
    totals = {}
    for part, path in (("train", train_path), ("dev", dev_path)):
        rows = [
            {"text": text, "label": package}
            for package in chosen
            for text in found[package][part]
            if owners[text] == 1
        ]
        totals[part] = Counter(row["label"] for row in rows)
        with replacing(path) as temporary:
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            temporary.write_text("".join(lines), encoding="utf-8")
    missing = [name for name in chosen if not all(totals[part][name] for part in totals)]
    if missing or len(chosen) < packages:
        raise InputError(
            f"There must be {packages} packages with documentation. Received "
            f"{[name for name in chosen if name not in missing]}. Ask for fewer."
        )
    return (
        f"{sum(totals['train'].values()):,} sentences to train on and "
        f"{sum(totals['dev'].values()):,} held out, of {', '.join(chosen)}"
    )


def _package(name: str) -> str:
    return name.partition("/")[0]


def _sentences(files: list[tuple[str, Path]], limit: int, dev_share: float) -> dict[str, list[str]]:
    """Returns the different sentences of both parts of a package, in the order of its files."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    limits = {"dev": round(limit * dev_share), "train": limit - round(limit * dev_share)}
    for index, (_, path) in enumerate(files):
        # Files come in the order of a hash: every so many-th one is an even sample.
        part = "dev" if index % round(1 / dev_share) == 0 else "train"
        if len(found[part]) >= limits[part]:
            if all(len(found[p]) >= limits[p] for p in limits):
                break
            continue
        for text in docstrings.docstrings(path):
            for sentence in sentences(text):
                if len(sentence.split()) >= MIN_WORDS:
                    found[part].setdefault(sentence)
    dev = [text for text in found["dev"] if text not in found["train"]]
    return {"train": list(found["train"])[: limits["train"]], "dev": dev[: limits["dev"]]}
