"""Converts a block of documents to serialised instances: tokens, pairs, packing, masks, records.

Each worker runs an `InstanceMaker`. Its results depend only on the block and the settings, and it
does not import TensorFlow.

Axes: N instances, S positions, P predictions, T tokens of the block.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from albert_tf.data.documents import split_sentences
from albert_tf.pretraining.masking import masking
from albert_tf.pretraining.masking.masking import unit_starts
from albert_tf.pretraining.records import examples, statistics
from albert_tf.pretraining.records.blocks import Block
from albert_tf.pretraining.records.build_settings import BuildSettings
from albert_tf.pretraining.records.packing import SPECIAL_TOKENS, Instances, pack
from albert_tf.pretraining.records.sentence_pairs import (
    Pair,
    document_pairs,
    random_next_pairs,
    windows,
)
from albert_tf.tokenization.tokenizer import AlbertTokenizer


class BlockRecords(NamedTuple):
    """The records of a block for each copy of the text, and counts for the report."""

    block: Block
    copies: list[list[bytes]]
    counts: Counter


class InstanceMaker:
    """Converts blocks to records.

    Args:
      tokenizer: the tokenizer.
      settings: the build settings.
    """

    def __init__(self, tokenizer: AlbertTokenizer, settings: BuildSettings) -> None:
        self.settings = settings
        self.tokenizer = tokenizer
        self._unit_starts = unit_starts(tokenizer.pieces, tokenizer.word_starts)  # [V]
        if tokenizer.is_wordpiece:  # Every piece without "##" begins a unit, and no other.
            self._unit_starts = tokenizer.word_starts
        special = set(self.tokenizer.special_ids)
        ordinary = [i for i in range(self.tokenizer.vocab_size) if i not in special]
        self._random_ids = np.array(ordinary, np.int32)

    def __call__(self, block: Block) -> BlockRecords:
        """Returns the records of all copies of a block."""
        tokens, lengths, counts = self._tokenize(block)
        copies = []
        for copy in range(self.settings.dupe_factor):
            rng = np.random.default_rng([self.settings.seed, block.first, copy])
            packed = self._pack(tokens, lengths, rng)
            begins_unit = self._unit_starts[packed.input_ids]  # [N, S]
            make = self._dynamic if self.settings.record_format == "dynamic" else self._static
            records, copy_counts = make(packed, begins_unit, rng)
            copies.append(records)
            counts += copy_counts
        # The text is no longer needed; dropping it keeps the result small.
        return BlockRecords(block._replace(documents=[]), copies, counts)

    def _tokenize(self, block: Block) -> tuple[np.ndarray, list[list[int]], Counter]:
        """Returns the tokens, int32 [T], the sentence lengths of each document, and the counts."""
        documents = block.documents
        if language := self.settings.split_sentences:
            documents = [
                [sentence for line in document for sentence in split_sentences(line, language)]
                for document in documents
            ]
        encoded = iter(self.tokenizer.encode_batch([s for d in documents for s in d]))
        flat: list[int] = []
        lengths: list[list[int]] = []
        counts = Counter(documents=len(documents), text_bytes=block.text_bytes)
        longest = self.settings.max_seq_length - SPECIAL_TOKENS
        for document in documents:
            sentences = [ids for ids in (next(encoded) for _ in document) if ids]
            lengths.append([len(ids) for ids in sentences])
            for ids in sentences:
                flat += ids
            total = sum(lengths[-1])
            counts["sentences"] += len(sentences)
            counts["sentences/long"] += sum(n > longest for n in lengths[-1])
            counts["text_tokens"] += total
            if total < 2:
                counts["dropped/fewer than two tokens"] += 1
            elif len(sentences) == 1 and self.settings.needs_two_sentences:
                split = self.settings.single_sentence == "split"
                counts["one sentence, split" if split else "dropped/one sentence"] += 1
        return np.array(flat, np.int32), lengths, counts

    def _pack(
        self, tokens: np.ndarray, lengths: list[list[int]], rng: np.random.Generator
    ) -> Instances:
        """Returns the instances of one copy, in random order."""
        tokenizer = self.tokenizer
        return pack(
            np.append(tokens, np.int32(tokenizer.pad_id)),  # So that it is never empty.
            rng.permutation(block_pairs(lengths, self.settings, rng)),
            self.settings.max_seq_length,
            tokenizer.cls_id,
            tokenizer.sep_id,
            tokenizer.pad_id,
        )

    def _dynamic(
        self, packed: Instances, begins_unit: np.ndarray, rng: np.random.Generator
    ) -> tuple[list[bytes], Counter]:
        """Returns records without masks, which are drawn when they are read, and their counts."""
        del rng
        arrays = self._features(packed, begins_unit)
        _, units = masking.units(packed.maskable, begins_unit)  # [N, U]
        second = (packed.segment_ids == 1).sum(1)
        segments = np.stack([packed.input_mask.sum(1) - second, second], 1)  # [N, 2]
        rows = {
            "input_ids": [ids[:n] for ids, n in zip(packed.input_ids, segments.sum(1))],
            "segment_lengths": [row[row > 0] for row in segments],
            "unit_lengths": [row[row > 0] for row in units],
        }
        return _serialize(examples.DYNAMIC, {**arrays, **rows}), self._counts(arrays)

    def _static(
        self, packed: Instances, begins_unit: np.ndarray, rng: np.random.Generator
    ) -> tuple[list[bytes], Counter]:
        """Returns records with masks, and their counts."""
        masked = masking.mask(
            packed.input_ids,
            packed.maskable,
            begins_unit,
            self.settings.masking,
            self.tokenizer.mask_id,
            self._random_ids,
            rng,
        )
        arrays = {
            **self._features(packed, begins_unit),
            "input_ids": masked.input_ids,
            "masked_lm_positions": masked.positions,
            "masked_lm_ids": masked.labels,
            "masked_lm_weights": masked.weights,
        }
        model_garden = self.settings.record_format == "model_garden"
        mask_counts = {f"ngram/{n}": int(c) for n, c in enumerate(masked.ngrams, 1)}
        mask_counts["permuted"] = masked.permuted
        records = _serialize(examples.STATIC, arrays, model_garden)
        return records, self._counts(arrays) + Counter(mask_counts)  # Addition drops zeros.

    def _features(self, packed: Instances, begins_unit: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the features that do not depend on masks; special tokens are boundaries too."""
        boundary = packed.input_mask & (begins_unit | ~packed.maskable)
        arrays = {
            "input_ids": packed.input_ids,
            "input_mask": packed.input_mask.astype(np.int32),
            "segment_ids": packed.segment_ids,
            "token_boundary": boundary.astype(np.int32),
        }
        if self.settings.sentence_order:
            arrays["next_sentence_labels"] = packed.labels[:, None]
        return arrays

    def _counts(self, arrays: dict[str, np.ndarray]) -> Counter:
        return statistics.of_instances(arrays, self.tokenizer.mask_id, self.tokenizer.unk_id)


def _serialize(
    table: Sequence[examples.Feature], arrays: Mapping[str, Any], model_garden: bool = False
) -> list[bytes]:
    """Serialises the features that are present; without sentence order there is no label."""
    present = [feature for feature in table if feature.name in arrays]
    return list(examples.serialize(present, arrays, model_garden))


def block_pairs(
    documents: Sequence[Sequence[int]], settings: BuildSettings, rng: np.random.Generator
) -> np.ndarray:
    """Returns rows of `Pair` with offsets into the tokens of all documents, int64 [N, 5].

    Args:
      documents: the number of tokens in each sentence of each document; documents of fewer than two
        tokens are skipped.
      settings: the build settings. Without sentence order, the first segments are runs of tokens
        that cover a document, and the second segments are empty.
      rng: the only source of randomness.
    """
    budget, short = settings.max_seq_length - SPECIAL_TOKENS, settings.short_seq_prob
    if settings.random_next_sentence:
        pairs = random_next_pairs(documents, budget, rng, short)
        return np.array(pairs, np.int64).reshape(-1, len(Pair._fields))
    rows = []
    offsets = itertools.accumulate(map(sum, documents), initial=0)
    for document, offset in zip(documents, offsets):
        size = sum(document)
        if size < 2:
            continue
        if settings.sentence_order:
            split = settings.single_sentence == "split"
            pairs = document_pairs(document, budget, rng, short, split)
        else:
            spans = windows(size, budget + 1, rng, short)  # + 1, as there is only one [SEP].
            pairs = [Pair(begin, end, end, end, 0) for begin, end in spans]
        rows += [(*(offset + place for place in pair[:4]), pair.label) for pair in pairs]
    return np.array(rows, np.int64).reshape(-1, len(Pair._fields))
