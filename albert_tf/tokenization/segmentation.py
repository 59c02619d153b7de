"""Splits normalised texts into pieces: the likeliest way, or a sampled one.

Subword sampling (Kudo 2018) splits the same text in other ways, for training.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import sentencepiece

from albert_tf.errors import InputError

_MOST = 512  # ways, a limit of SentencePiece
_FEW = 16  # texts, which take longer as a batch, for which SentencePiece starts threads
# SentencePiece has one generator for the whole process.
_LOCK = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How to sample.

    Attributes:
      generator: the source of random numbers: the same seed and the same calls give the same ids,
        whatever else the process samples.
      alpha: how much more often likely ways are taken than unlikely ones; 0 takes all alike.
      nbest_size: the number of likeliest ways to choose from; -1 for all.

    Raises:
      InputError: a value is invalid.
    """

    generator: np.random.Generator
    alpha: float = 0.1
    nbest_size: int = -1

    def __post_init__(self) -> None:
        if not isinstance(self.generator, np.random.Generator):
            raise InputError(
                "Sampling needs a generator of random numbers. Received "
                f"generator={self.generator!r:.80}. Pass np.random.default_rng(seed)."
            )
        alpha = self.alpha
        if type(alpha) not in (int, float) or not 0 <= alpha < float("inf"):
            raise InputError(f"alpha must be a number from 0. Received {alpha!r}. Correct it.")
        size = self.nbest_size
        if type(size) is not int or not (size == -1 or 2 <= size <= _MOST):
            raise InputError(
                f"nbest_size must be 2 to {_MOST}, or -1 for all. Received {size!r}. Correct it."
            )


def encode(
    processor: sentencepiece.SentencePieceProcessor,
    texts: Sequence[str],
    sampling: Sampling | None = None,
    out_type: Any = int,
    num_threads: int = 1,
) -> list[Any]:
    """Returns the tokens of normalised texts, the likeliest ones or sampled ones.

    Args:
      processor: the model.
      texts: the texts.
      sampling: how to sample.
      out_type: int for ids, "serialized_proto" for messages with positions.
      num_threads: the number of SentencePiece threads.
    """
    if sampling is None:
        if len(texts) < _FEW:
            return [processor.encode(text, out_type=out_type) for text in texts]
        return processor.encode(list(texts), out_type=out_type, num_threads=num_threads)
    seed = int(sampling.generator.integers(1, 2**31))
    with _LOCK:
        sentencepiece.set_random_generator_seed(seed)
        # One thread, so that the texts take its random numbers in their order.
        return processor.encode(
            list(texts),
            out_type=out_type,
            num_threads=1,
            enable_sampling=True,
            alpha=float(sampling.alpha),
            nbest_size=sampling.nbest_size,
        )


def refuse(sampling: Sampling | None) -> None:
    """Raises `InputError` if a WordPiece vocabulary should sample."""
    if sampling is not None:
        raise InputError(
            "Subword sampling needs a SentencePiece model, as WordPiece splits words in one way. "
            "Received a WordPiece vocabulary. Leave enable_sampling out."
        )


def of_arguments(
    enable_sampling: bool,
    alpha: float | None,
    nbest_size: int | None,
    generator: np.random.Generator | None,
) -> Sampling | None:
    """Returns the sampling that the arguments of a call ask for.

    Raises:
      InputError: an argument is given although sampling is off, or invalid.
    """
    if enable_sampling is False and alpha is nbest_size is generator is None:
        return None
    given = dict(alpha=alpha, nbest_size=nbest_size, generator=generator)
    given = {name: value for name, value in given.items() if value is not None}
    if type(enable_sampling) is not bool or (given and not enable_sampling):
        raise InputError(
            "Sampling must be switched on by enable_sampling=True. Received "
            f"enable_sampling={enable_sampling!r} with {', '.join(given) or 'nothing else'}. Set "
            "enable_sampling=True, or leave the others out."
        )
    return Sampling(**{"generator": None, **given}) if enable_sampling else None
