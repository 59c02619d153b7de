"""What a build of pretraining data depends on: `BuildSettings`."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from albert_tf.data.documents import TEXT_FIELD
from albert_tf.data.sentences import check_language
from albert_tf.errors import InputError
from albert_tf.pretraining.masking.masking import Masking
from albert_tf.pretraining.records.packing import SPECIAL_TOKENS

RECORD_FORMATS = ("dynamic", "original", "model_garden")
SINGLE_SENTENCE = ("drop", "split")
SHARD_BYTES = 32_000_000  # of text; minutes of work


@dataclasses.dataclass(frozen=True)
class BuildSettings:
    """Settings of a build; the same settings, text and vocabulary give the same bytes.

    Attributes:
      max_seq_length: S, tokens of an instance with its three special tokens.
      record_format: "dynamic", whose masks are drawn each time a record is read; or masks drawn
        once, in records with the names of the "original" script or of "model_garden".
      max_predictions_per_seq: the most tokens of an instance to mask, and the width P of the
        masked features. None takes `masked_lm_prob` of S, rounded, so that no instance is cut
        short; the original's default of 20 fits S = 128.
      masked_lm_prob: share of the tokens to predict.
      ngram: the longest run of words masked together.
      favor_longer_ngram: make long runs the most frequent.
      do_permutation: shuffle and predict as many further tokens as are masked; P doubles.
      sentence_order: two segments and the label of their order; else one segment without a label,
        for a masked language model alone.
      random_next_sentence: B follows A, or comes from a random other document under label 1, as in
        BERT and in the original script under this name. The document is one read near by.
      short_seq_prob: share of shorter sequences, so that the model sees them before fine-tuning.
      dupe_factor: copies of the text, each with pairs and masks of its own. The original has 40,
        for a million steps; 10 is for runs of the sizes that one machine trains.
      text_field: of JSON Lines, the field that holds the text.
      split_sentences: language whose rules cut each line into sentences, such as "en"; None takes
        a line for a sentence.
      single_sentence: "drop" documents of one sentence, or "split" them at a token boundary; only
        sentence order asks for two.
      seed: of all random choices.
      shards: ranges of documents, of which a stop costs one at most. Each gives one file a copy:
        shards x dupe_factor files. None: as many as there are 32 MB in the text.
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
        """Fills in P; raises `InputError` for the first rule that is broken."""
        if self.max_seq_length < SPECIAL_TOKENS + 2:
            raise InputError(
                f"max_seq_length must be at least {SPECIAL_TOKENS + 2}: [CLS], two [SEP] and a "
                f"token in each segment. Received {self.max_seq_length!r}. Usual: 64 to 512."
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
                "random_next_sentence needs two segments. Received sentence_order=False with it. "
                "Leave one of them out."
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
                "Settings of masks belong to the run that reads dynamic records. Received "
                f"{self.masking} for them. Leave these out, or set record_format='original'."
            )

    @property
    def masking(self) -> Masking:
        """The settings of masking alone."""
        return Masking(
            rate=self.masked_lm_prob,
            max_predictions=self.max_predictions_per_seq,
            max_ngram=self.ngram,
            favor_longer=self.favor_longer_ngram,
            permute=self.do_permutation,
        )

    @property
    def needs_two_sentences(self) -> bool:
        """Whether a document of one sentence gives nothing unless it is split."""
        return self.sentence_order and not self.random_next_sentence

    def for_text(self, text_bytes: int, documents: int) -> BuildSettings:
        """Returns these settings with a number of shards."""
        if self.shards is not None:
            return self
        shards = math.ceil(text_bytes / SHARD_BYTES)
        return dataclasses.replace(self, shards=min(shards, documents))

    def to_dict(self) -> dict[str, Any]:
        """Returns all settings with their values."""
        return dataclasses.asdict(self)
