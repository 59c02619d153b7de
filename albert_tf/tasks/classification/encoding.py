"""Converts the one or two texts of rows to ids, as one row of the model or as windows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.tasks.classification.data import LabelledText
from albert_tf.tasks.encoded_examples import EncodedExamples
from albert_tf.tasks.text_windows import FIRST, TextWindowSettings
from albert_tf.tokenization import windows
from albert_tf.tokenization.packing import special_count, truncate
from albert_tf.tokenization.tokenizer import AlbertTokenizer


def examples(
    rows: Sequence[LabelledText],
    tokenizer: AlbertTokenizer,
    settings: TextWindowSettings,
    labels: Mapping[str, np.ndarray] | None = None,
    report: RowReport | None = None,
    is_training: bool = False,
) -> EncodedExamples:
    """Returns the tokenised rows.

    Args:
      rows: the rows.
      tokenizer: the tokenizer.
      settings: how texts that are too long are cut.
      labels: arrays with an entry for each row, by name.
      report: takes the rows that are not read as a whole.
      is_training: whether a row has at most `settings.max_windows` windows.

    Raises:
      InputError: a row has no room for one token of each text.
    """
    segments = len(rows[0].texts) if rows else 1
    special = special_count(segments)
    budget = settings.seq_length - special
    if budget < segments:
        raise InputError(
            f"A row must have room for one token of each of its {segments} text(s) and "
            f"{special} special tokens. Received seq_length={settings.seq_length}. Set "
            f"SEQ_LENGTH to {segments + special} or more."
        )
    most = settings.max_windows if is_training else None
    encoded = [tokenizer.encode_batch(row.texts[i] for row in rows) for i in range(segments)]
    ids, second_starts, counts = [], [], []
    for row, texts in zip(rows, zip(*encoded)):
        parts = _parts(texts, budget, settings)
        for first, *second in parts[:most]:
            begin = [tokenizer.cls_id, *first, tokenizer.sep_id]
            second_starts.append(len(begin))
            ids.append([*begin, *second[0], tokenizer.sep_id] if second else begin)
        counts.append(len(parts[:most]))
        if report is not None and sum(map(len, texts)) > budget:
            for remark in _unread(texts, budget, len(parts) > counts[-1], settings):
                report.remark(remark, row.where)
    pooled = None if settings.windows == FIRST else counts
    return EncodedExamples(ids, second_starts, labels, None, rows, report, pooled)


def _parts(
    texts: Sequence[list[int]], budget: int, settings: TextWindowSettings
) -> list[Sequence[Sequence[int]]]:
    """Returns the segments of each row that texts are computed in."""
    if settings.windows == FIRST:
        return [truncate(texts, budget)]
    return list(windows.of_segments(texts, budget, settings.stride))


def _unread(
    texts: Sequence[Sequence[int]], budget: int, has_more: bool, settings: TextWindowSettings
) -> Iterator[str]:
    """Yields what is not read of texts that have too many tokens for one row."""
    if settings.windows == FIRST:
        yield f"are cut to SEQ_LENGTH={settings.seq_length}; WINDOWS reads all of their tokens"
        return
    if has_more:
        yield f"train with their first MAX_WINDOWS={settings.max_windows} windows only"
    if len(texts) > 1 and min(map(len, texts)) > budget // 2:
        yield "have the shorter text cut to half of SEQ_LENGTH"
