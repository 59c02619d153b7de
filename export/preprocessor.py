"""Exports a preprocessor: reads a vocabulary, writes a SavedModel, verifies it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from albert_tf.errors import InputError
from albert_tf.files import check_new_directory
from albert_tf.serving.limits import DEFAULTS, Limits
from albert_tf.serving.preprocessor import PreprocessorModule
from albert_tf.tokenization.tokenizer import AlbertTokenizer

from . import model_card, writer
from .verify import Case, verify

KIND = "preprocessor"
# Texts for which the normalisation and tokenization rules matter; see the tests of the tokenizer.
TEXTS = (
    "Hello, world!",
    "",
    "Café NAÏVE: 1,000 and 2, 3",
    "[MASK] ``quoted''  twice\t",
    "ΣΑΣ ﬁ Ａ",
)


def export(
    source: str | os.PathLike,
    dest: str | os.PathLike,
    seq_length: int = 128,
    check: bool = True,
    license: str = model_card.AS_SOURCE,
    limits: Limits = DEFAULTS,
) -> Path:
    """Writes the tokenizer of `source` as a TF-Hub text preprocessor.

    Args:
      source: a vocabulary file, or a folder with one, such as a training folder.
      dest: the folder to create; it must be new or empty.
      seq_length: the default length of packed inputs; 128, as in the released preprocessors.
      check: whether to load the artefact in a separate process and compare it with the Python
        tokenizer.
      license: the licence of the vocabulary, for the card and the manifest.
      limits: of which `bytes` and `tokens` are how much a request to the signature may ask for.

    Returns:
      `dest`.

    Raises:
      InputError: `dest` is not empty, `source` has no vocabulary, or `seq_length` is too
        short, or longer than the model in `source` can read, or the limits do not admit requests of
        some texts. Raised before anything is written.
      VerificationError: the ids of the artefact differ from those of the tokenizer.
    """
    check_new_directory(dest, writer.WHAT)
    tokenizer = AlbertTokenizer.from_pretrained(source)
    _check_positions(Path(source), seq_length)
    limits.check(seq_length)
    module = PreprocessorModule(tokenizer, seq_length, limits)
    kind = "WordPiece" if tokenizer.is_wordpiece else "SentencePiece"
    description = {
        "kind": KIND,
        "preprocessing": tokenizer.preprocessing.to_dict(),
        "seq_length": seq_length,
        "limits": {"bytes": limits.bytes, "tokens": limits.tokens},
        "vocab_size": tokenizer.vocab_size,
        "license": license,
        "source": {"name": tokenizer.model_file.name, "format": kind},
    }
    return writer.write(
        module,
        dest,
        module.signatures(),
        description,
        model_card.preprocessor(description),
        (lambda path: verify(path, cases(tokenizer, seq_length))) if check else None,
    )


def _check_positions(source: Path, seq_length: int) -> None:
    """Raises `InputError` if the folder of the vocabulary has a model with fewer positions."""
    folder = source if source.is_dir() else source.parent
    for name in ("albert_config.json", "config.json"):
        try:
            positions = json.loads((folder / name).read_text())["max_position_embeddings"]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # There is no model, or a damaged one, which a preprocessor does not need.
        if isinstance(positions, int) and seq_length > positions:
            raise InputError(
                "Packed inputs must not be longer than the model can read. Received seq_length="
                f"{seq_length} for '{folder}' with {positions} positions. Pass --seq_length "
                f"{positions} or less."
            )


def cases(tokenizer: AlbertTokenizer, seq_length: int) -> Iterator[Case]:
    """Yields calls with the expected outputs, computed by the Python tokenizer."""
    texts = {"texts": np.array(TEXTS)}
    expected = tokenizer(list(TEXTS), max_length=seq_length, padding="max_length")
    yield Case("call", texts, expected)
    yield Case("signatures/serving_default", texts, expected)
