"""Masks n-grams of whole words, one batch at a time.

Axes: N instances, S positions, P predictions, U units of an instance (see mask_units.py).

In each instance, `rate` of the tokens are masked by visiting the units in random order. At each
visit an n-gram length n is drawn with p(n) proportional to 1/n, the n-gram is shortened until it
fits the remaining budget, and it is masked if none of its units is masked yet. Of the masked
tokens, 80 % become [MASK], 10 % become a random piece and 10 % stay unchanged. The rules are those
of the original; the loop over visits processes all instances at once.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from albert_tf.errors import InputError

MASK_SHARE = 0.8
RANDOM_SHARE = 0.1


@dataclasses.dataclass(frozen=True)
class Masking:
    """Settings for how much is masked and in which n-grams; the defaults are the original's.

    Attributes:
      rate: the share of an instance's tokens, including special tokens, to predict.
      max_predictions: the maximum number of masked tokens in an instance.
      max_ngram: the maximum number of units that are masked together.
      favor_longer: whether to reverse p(n), so that the longest n-grams are the most frequent.
      permute: whether to also shuffle and predict the tokens of as many further n-grams.
    """

    rate: float = 0.15
    max_predictions: int = 77
    max_ngram: int = 3
    favor_longer: bool = False
    permute: bool = False

    def __post_init__(self) -> None:
        """Raises `InputError` for the first invalid setting."""
        if not 0.0 < self.rate < 1.0:
            raise InputError(f"The masking rate must lie in (0, 1). Received {self.rate!r}.")
        for name in ("max_predictions", "max_ngram"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1. Received {getattr(self, name)!r}.")

    @property
    def width(self) -> int:
        """P: the maximum number of predictions per instance, including shuffled tokens."""
        return self.max_predictions * (2 if self.permute else 1)

    def ngram_probabilities(self) -> np.ndarray:
        """Returns p(1) .. p(max_ngram), float64 [max_ngram]."""
        weights = 1.0 / np.arange(1, self.max_ngram + 1)
        if self.favor_longer:
            weights = weights[::-1]
        return weights / weights.sum()


class Masked(NamedTuple):
    """Masked instances.

    Attributes:
      input_ids: int32 [N, S], with the replacements.
      positions: int32 [N, P], ascending; 0 if unused.
      labels: int32 [N, P], the original ids at these positions; 0 if unused.
      weights: float32 [N, P], 1 for a prediction; 0 if unused.
      ngrams: int64 [max_ngram], the number of masked runs of 1, 2, ... units.
      permuted: the number of predictions for shuffled tokens.
    """

    input_ids: np.ndarray
    positions: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    ngrams: np.ndarray
    permuted: int


def mask(
    input_ids: np.ndarray,
    maskable: np.ndarray,
    begins_unit: np.ndarray,
    masking: Masking,
    mask_id: int,
    random_ids: np.ndarray,
    rng: np.random.Generator,
) -> Masked:
    """Returns the instances with n-grams of whole units masked.

    Args:
      input_ids: int32 [N, S].
      maskable: bool [N, S], true for text, false for the two or three special tokens and padding.
      begins_unit: bool [N, S], whether the piece begins a unit.
      masking: the settings.
      mask_id: the id of [MASK].
      random_ids: the ids to draw random replacements from.
      rng: the only source of randomness.
    """
    budget = budgets(maskable, masking)
    chosen, ngrams = choose(maskable, begins_unit, budget, masking, rng)
    replaced = replace(input_ids, chosen, mask_id, random_ids, rng)
    permuted = 0
    if masking.permute:
        moved, _ = choose(maskable, begins_unit, budget, masking, rng, taken=chosen)
        replaced = permute(replaced, moved, rng)
        chosen, permuted = chosen | moved, int(moved.sum())
    return Masked(replaced, *predictions(input_ids, chosen, masking.width), ngrams, permuted)


def budgets(maskable: np.ndarray, masking: Masking) -> np.ndarray:
    """Returns the maximum number of tokens to mask in each instance, int [N]; at least one.

    The total includes [CLS] and each [SEP], as in the original: one token before the text and one
    after each run of text.
    """
    ends = maskable & ~np.pad(maskable[:, 1:], ((0, 0), (0, 1)))  # [N, S]
    tokens = maskable.sum(1) + ends.sum(1) + 1  # [N]
    share = np.rint(tokens * masking.rate).astype(np.int64)
    return np.minimum(np.maximum(share, 1), masking.max_predictions)


def choose(
    maskable: np.ndarray,
    begins_unit: np.ndarray,
    budget: np.ndarray,
    masking: Masking,
    rng: np.random.Generator,
    taken: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Chooses the tokens to mask.

    Args:
      maskable: bool [N, S], as in `mask`.
      begins_unit: bool [N, S], as in `mask`.
      budget: int [N], the maximum number of tokens.
      masking: the settings.
      rng: the only source of randomness.
      taken: bool [N, S], whole units that must not be chosen.

    Returns:
      The chosen tokens, bool [N, S], and the number of chosen n-grams by length, int64 [max_ngram].
    """
    unit, sizes = units(maskable, begins_unit)  # [N, S], [N, U]
    rows, width = sizes.shape
    longest = masking.max_ngram
    counts = (sizes > 0).sum(1)  # [N]
    # Tokens before unit u; constant after the last unit, so that n-grams can extend past the end.
    before = np.pad(np.cumsum(sizes, 1), ((0, 0), (1, longest)), mode="edge")  # [N, U + 1 + n]
    before[:, 0] = 0
    keys = np.where(sizes > 0, rng.random((rows, width)), 2.0)  # [N, U]
    order = np.argsort(keys, axis=1, kind="stable")
    bounds = np.cumsum(masking.ngram_probabilities())[:-1]
    drawn = 1 + np.searchsorted(bounds, rng.random((rows, width)), side="right")  # [N, U]
    covered = np.zeros((rows, width + longest), bool)
    if taken is not None:
        row, position = np.nonzero(taken)
        covered[row, unit[row, position]] = True
    filled = np.zeros(rows, np.int64)
    ngrams = np.zeros(longest, np.int64)
    active = np.arange(rows)
    for visit in range(width):
        active = active[(filled[active] < budget[active]) & (visit < counts[active])]
        if not active.size:
            break
        first, n = order[active, visit], drawn[active, visit]
        room = budget[active] - filled[active]
        start = before[active, first]
        size = before[active, first + n] - start
        for _ in range(longest - 1):
            n = n - ((size > room) & (n > 1))
            size = before[active, first + n] - start
        free = size <= room
        for offset in range(longest):
            free &= ~(covered[active, first + offset] & (offset < n))
        row, first, n = active[free], first[free], n[free]
        for offset in range(longest):
            inside = offset < n
            covered[row[inside], first[inside] + offset] = True
        filled[row] += size[free]
        n = np.minimum(n, counts[row] - first)
        ngrams += np.bincount(n - 1, minlength=longest)
    chosen = maskable & np.take_along_axis(covered, unit, 1)
    return chosen if taken is None else chosen & ~taken, ngrams


def replace(
    input_ids: np.ndarray,
    chosen: np.ndarray,
    mask_id: int,
    random_ids: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Replaces 80 % of the chosen ids with [MASK] and 10 % with random ids; 10 % stay unchanged."""
    replaced = input_ids.copy()
    old = input_ids[chosen]
    draw = rng.random(old.size)
    new = np.where(draw < MASK_SHARE + RANDOM_SHARE, rng.choice(random_ids, old.size), old)
    replaced[chosen] = np.where(draw < MASK_SHARE, mask_id, new)
    return replaced


def permute(input_ids: np.ndarray, moved: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shuffles the ids at `moved`, bool [N, S], within each row."""
    places = np.argsort(~moved, axis=1, kind="stable")  # [N, S]
    sources = np.argsort(np.where(moved, rng.random(moved.shape), 2.0), axis=1, kind="stable")
    permuted = input_ids.copy()
    np.put_along_axis(permuted, places, np.take_along_axis(input_ids, sources, 1), 1)
    return permuted


def predictions(
    input_ids: np.ndarray, chosen: np.ndarray, max_predictions: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the positions and labels, int32 [N, P], and weights, float32 [N, P], to predict."""
    missing = max(0, max_predictions - chosen.shape[1])
    chosen = np.pad(chosen, ((0, 0), (0, missing)))
    positions = np.argsort(~chosen, axis=1, kind="stable")[:, :max_predictions]  # [N, P]
    used = np.take_along_axis(chosen, positions, 1)
    positions = np.where(used, positions, 0)
    labels = np.where(used, np.take_along_axis(input_ids, positions, 1), 0)
    return positions.astype(np.int32), labels.astype(np.int32), used.astype(np.float32)


def units(maskable: np.ndarray, begins_unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the unit of each token, int [N, S], and the number of tokens per unit, int [N, U].

    Each row of sizes is padded right with zeros. The arguments are those of `mask`.
    """
    after_special = ~np.pad(maskable[:, :-1], ((0, 0), (1, 0)))  # A cut word also begins a unit.
    starts = maskable & (begins_unit | after_special)
    unit = np.maximum(np.cumsum(starts, 1) - 1, 0)
    rows, width = len(unit), int(unit.max(initial=0)) + 1
    flat = (unit + width * np.arange(rows)[:, None])[maskable]
    return unit, np.bincount(flat, minlength=rows * width).reshape(rows, width)


# The signs that continue a unit inside a longer piece, as listed in the original.
CONTINUING_SIGNS = frozenset('!"#$%&()*+,-./:;?@[\\]^_`{|}~£€')


def unit_starts(pieces: Sequence[str], word_starts: np.ndarray) -> np.ndarray:
    """Returns, for each id, whether its piece begins a unit, bool [V].

    Args:
      pieces: the piece of each id.
      word_starts: the flags of the tokenizer, bool [V].
    """
    cut = np.fromiter((not _continues(piece) for piece in pieces), bool, len(pieces))
    return word_starts | cut


def _continues(piece: str) -> bool:
    return all(c in CONTINUING_SIGNS or unicodedata.category(c)[0] in "LM" for c in piece)
