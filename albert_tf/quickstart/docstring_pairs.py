"""Makes pairs of texts that belong together: the first sentence of a document, and the rest."""

from __future__ import annotations

import json
from pathlib import Path

from albert_tf.data import documents
from albert_tf.files import replacing


def write(texts: dict[Path, Path]) -> str:
    """Writes JSON Lines with "text" and "rest", and returns a line with their counts.

    A document whose first sentence began another one, such as "See the base class.", is left out,
    because it could belong to either.

    Args:
      texts: the files to write, by text files with one sentence on each line and an empty line
        between documents.
    """
    seen: set[str] = set()
    counts = []
    for source, target in texts.items():
        rows = []
        for first, *rest in documents.read_documents(source):
            if rest and first not in seen:
                seen.add(first)
                rows.append({"text": first, "rest": " ".join(rest)})
        with replacing(target) as temporary:
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            temporary.write_text("".join(lines), encoding="utf-8")
        counts.append(len(rows))
    return f"{counts[0]:,} pairs for training and {counts[1]:,} held out"
