"""The data set for timing fine-tuning: sentences of natural lengths, as ids."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from albert_tf.quickstart import package_sentences
from albert_tf.tasks.classification import encoding
from albert_tf.tasks.classification.data import LabelledText
from albert_tf.tasks.text_windows import FIRST, TextWindowSettings
from albert_tf.tokenization import vocabulary
from albert_tf.tokenization.tokenizer import AlbertTokenizer

PER_PACKAGE, VOCAB_SIZE = 6000, 5000


def read(examples: int, length: int, batch_size: int) -> dict[str, np.ndarray]:
    """Returns sentences from the documentation of installed packages, labelled by package.

    Args:
      examples: number of sentences, a random sample that is always the same.
      length: maximum length in tokens; longer sentences are truncated.
      batch_size: B, stored with the data.

    Returns:
      A dict with "ids" int32, all rows concatenated; "splits", the start of each row; "labels"
      int32; "width" and "batch_size".
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("train.jsonl", "dev.jsonl")]
        package_sentences.write(*paths, per_package=PER_PACKAGE)
        lines = paths[0].read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        model = vocabulary.train([r["text"] for r in rows], Path(folder) / "vocab", VOCAB_SIZE)
        tokenizer = AlbertTokenizer.from_pretrained(model)
    chosen = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[:examples]]
    labels = sorted({row["label"] for row in chosen})
    texts = [LabelledText("", (row["text"],)) for row in chosen]
    ids = encoding.examples(texts, tokenizer, TextWindowSettings(FIRST, length)).ids
    return dict(
        ids=ids.values,
        splits=ids.splits,
        labels=np.array([labels.index(row["label"]) for row in chosen], np.int32),
        width=np.array(length),
        batch_size=np.array(batch_size),
    )
