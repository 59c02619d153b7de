"""Makes a labelled data set: sentences, and the installed package that each comes from.

The sentences are those of docstrings.py. A sentence that occurs in two packages, because one copied
it from the other, is left out. Training and held-out sentences come from different files.
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
    """Writes two JSON Lines files with "text" and "label", and returns a line with their counts.

    Args:
      train_path: the larger file.
      dev_path: the smaller file, with sentences from other source files.
      packages: the number of packages; those with the most source files are chosen.
      per_package: the maximum number of sentences per package, including shared ones, so that
        classes have similar sizes.
      dev_share: the share of source files that are held out.
      roots: folders of packages; by default those of the running Python.

    Raises:
      InputError: there are fewer than `packages` packages with sentences for both files.
    """
    roots = docstrings.installed_roots()[1:] if roots is None else [Path(root) for root in roots]
    files = [(name, path) for name, path in docstrings.source_files(roots) if "/" in name]
    counts = Counter(_package(name) for name, _ in files)
    chosen = sorted(name for name, _ in counts.most_common(packages))
    texts: dict[str, dict[str, list[str]]] = {}
    for package in chosen:
        mine = [(name, path) for name, path in files if _package(name) == package]
        texts[package] = _sentences(mine, per_package, dev_share)
    owners = Counter(text for parts in texts.values() for text in {*parts["train"], *parts["dev"]})
    totals = {}
    for part, path in (("train", train_path), ("dev", dev_path)):
        rows = [
            {"text": text, "label": package}
            for package in chosen
            for text in texts[package][part]
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
            f"{[name for name in chosen if name not in missing]}. Install more packages, or "
            "request fewer."
        )
    return (
        f"{sum(totals['train'].values()):,} sentences for training and "
        f"{sum(totals['dev'].values()):,} held out, from {', '.join(chosen)}"
    )


def _package(name: str) -> str:
    return name.partition("/")[0]


def _sentences(files: list[tuple[str, Path]], limit: int, dev_share: float) -> dict[str, list[str]]:
    """Returns the distinct sentences of both parts of a package, in the order of its files."""
    texts: dict[str, dict[str, None]] = defaultdict(dict)
    limits = {"dev": round(limit * dev_share), "train": limit - round(limit * dev_share)}
    for index, (_, path) in enumerate(files):
        # Files are in the order of a hash, so every n-th file gives an even sample.
        part = "dev" if index % round(1 / dev_share) == 0 else "train"
        if len(texts[part]) >= limits[part]:
            if all(len(texts[p]) >= limits[p] for p in limits):
                break
            continue
        for text in docstrings.docstrings(path):
            for sentence in sentences(text):
                if len(sentence.split()) >= MIN_WORDS:
                    texts[part].setdefault(sentence)
    dev = [text for text in texts["dev"] if text not in texts["train"]]
    return {"train": list(texts["train"])[: limits["train"]], "dev": dev[: limits["dev"]]}
