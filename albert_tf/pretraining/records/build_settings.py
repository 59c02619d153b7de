"""`BuildSettings`: the settings of a pretraining data build."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from albert_tf.data.documents import TEXT_FIELD, check_language
from albert_tf.errors import InputError
from albert_tf.pretraining.masking.masking import Masking
from albert_tf.pretraining.records.packing import SPECIAL_TOKENS

RECORD_FORMATS = ("dynamic", "original", "model_garden")
SINGLE_SENTENCE = ("drop", "split")
SHARD_BYTES = 32_000_000  # Bytes of text per shard, which take minutes to process.


@dataclasses.dataclass(frozen=True)
class BuildSettings:
    """The settings of a build; the same settings, text and vocabulary give the same bytes.

    Attributes:
      max_seq_length: S, the maximum number of tokens in an instance, including special tokens.
      record_format: "dynamic" for records whose masks are drawn each time they are read; "original"
        or "model_garden" for records with fixed masks and the feature names of the original script
        or of Model Garden.
      max_predictions_per_seq: the maximum number of masked tokens in an instance, and the width P
        of the masked features. None takes `masked_lm_prob` of S, rounded, so that no instance has
        fewer masks than it should; the original's default of 20 suits S = 128.
      masked_lm_prob: the share of tokens to predict.
      ngram: the maximum number of words that are masked together.
      favor_longer_ngram: whether longer n-grams are more frequent than shorter ones.
      do_permutation: whether to shuffle and predict as many further tokens as are masked, which
        doubles P.
      sentence_order: whether instances have two segments and a label for their order; otherwise
        they have one segment and no label, for masked LM only.
      random_next_sentence: whether segment B follows A (label 0) or comes from a random other
        document (label 1), as in BERT and in the option of this name in the original script. The
        other document is from the same block.
      short_seq_prob: the share of shorter sequences, so that the model sees them before
        fine-tuning.
      dupe_factor: the number of copies of the text, each with different pairs and masks. The
        original has 40 for a million steps; 10 is enough for training on one machine.
      text_field: the field of JSON Lines objects that holds the text.
      split_sentences: the language whose rules split each line into sentences, such as "en"; None
        if each line is a sentence.
      single_sentence: "drop" documents of one sentence, or "split" them at a token boundary;
        applies only if sentence order requires two sentences.
      seed: the seed of all random choices.
      shards: the number of shards (ranges of documents). An interruption loses at most one shard.
        The build writes shards x dupe_factor files. None for one shard per 32 MB of text.
    """

    max_seq_length: int = 512
    record_format: str = "dynamic"
    max_predictions_per_seq: int | None = None
    masked_lm_prob: float = 0.15
    ngram: int = 3
    favor_longer_ngram: bool = False
    do_permutation: bool = False
    sentence_order: bool = True
    random_next_sentence: bool = False
    short_seq_prob: float = 0.1
    dupe_factor: int = 10
    text_field: str = TEXT_FIELD
    split_sentences: str | None = None
    single_sentence: str = "drop"
    seed: int = 12345
    shards: int | None = None

    def __post_init__(self) -> None:
        """Sets P if it is None; raises `InputError` for the first invalid setting."""
        if self.max_seq_length < SPECIAL_TOKENS + 2:
            raise InputError(
                f"max_seq_length must be at least {SPECIAL_TOKENS + 2}, for [CLS], two [SEP] and "
                f"one token in each segment. Received {self.max_seq_length!r}. Usual values are 64 "
                "to 512."
            )
        for name in ("dupe_factor", "shards"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1. Received {getattr(self, name)!r}.")
        if self.seed < 0:
            raise InputError(f"seed must not be negative. Received {self.seed!r}.")
        if not 0.0 <= self.short_seq_prob <= 1.0:
            raise InputError(
                f"short_seq_prob must lie in [0, 1]. Received {self.short_seq_prob!r}."
            )
        if self.random_next_sentence and not self.sentence_order:
            raise InputError(
                "random_next_sentence needs two segments. Received random_next_sentence=True and "
                "sentence_order=False. Leave out one of them."
            )
        if self.split_sentences is not None:
            check_language(self.split_sentences)
        for name, choices in (
            ("record_format", RECORD_FORMATS),
            ("single_sentence", SINGLE_SENTENCE),
        ):
            if getattr(self, name) not in choices:
                raise InputError(
                    f"{name} must be one of {', '.join(choices)}. Received {getattr(self, name)!r}."
                )
        full = max(1, round(self.max_seq_length * self.masked_lm_prob))
        if self.max_predictions_per_seq is None:
            object.__setattr__(self, "max_predictions_per_seq", full)
        if self.masking != Masking(max_predictions=full) and self.record_format == "dynamic":
            raise InputError(
                "Dynamic records have no masks; the run that reads them has the mask settings. "
                f"Received {self.masking}. Leave out these settings, or set "
                "record_format='original'."
            )

    @property
    def masking(self) -> Masking:
        """The mask settings."""
        return Masking(
            rate=self.masked_lm_prob,
            max_predictions=self.max_predictions_per_seq,
            max_ngram=self.ngram,
            favor_longer=self.favor_longer_ngram,
            permute=self.do_permutation,
        )

    @property
    def needs_two_sentences(self) -> bool:
        """Whether documents of one sentence give no instance unless they are split."""
        return self.sentence_order and not self.random_next_sentence

    def for_text(self, text_bytes: int, documents: int) -> BuildSettings:
        """Returns these settings with the number of shards set."""
        if self.shards is not None:
            return self
        shards = math.ceil(text_bytes / SHARD_BYTES)
        return dataclasses.replace(self, shards=min(shards, documents))

    def to_dict(self) -> dict[str, Any]:
        """Returns all settings with their values."""
        return dataclasses.asdict(self)
