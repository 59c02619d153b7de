"""A tiny ALBERT for the notebooks, made in a second on this machine: nothing is downloaded.

Its weights are random, and its vocabulary is made from the notebook's own sentences. It takes the
place of a released model: where the notebooks write "tiny", your own project has a folder such as
"albert_base_v2".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf
import tf_keras

from albert_tf import AlbertConfig, AlbertPretrainer
from albert_tf.tokenization import special_ids, vocabulary

SEED = 0
# About 45,000 weights; ALBERT base has 11.7 million. So few weights learn faster without dropout,
# and from larger initial values than the 0.02 of the released models.
SIZES = dict(
    embedding_size=32,
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=128,
    max_position_embeddings=128,
    initializer_range=0.1,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)
ENDINGS = ".,?!"


def write(folder: str | os.PathLike, sentences: Iterable[str]) -> Path:
    """Writes a model that every command and class of albert_tf reads.

    Args:
      folder: a new folder for albert_config.json, the vocabulary and the checkpoint.
      sentences: the text whose words become pieces of the vocabulary.

    Returns:
      The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True)
    vocab_size = _train_vocabulary(sentences, folder / "vocab")
    config = AlbertConfig(vocab_size=vocab_size, **SIZES)
    config.to_json_file(folder / "albert_config.json")
    tf_keras.utils.set_random_seed(SEED)
    model = AlbertPretrainer(config)
    tf.train.Checkpoint(model=model, **model.checkpoint_items).save(str(folder / "ckpt"))
    return folder


def _train_vocabulary(sentences: Iterable[str], prefix: Path) -> int:
    """Trains a vocabulary with a piece for each word, letter and digit; returns its size."""
    text = " ".join(sentences).lower()
    words = sorted(set(re.findall(r"[^\W\d_]+", text)))
    characters = set(re.findall(r"[^\W_]", text))
    # SentencePiece finds a word only where different characters follow it, as in natural text.
    lines = [word + ending for word in words for ending in ENDINGS] + sorted(characters)
    fixed = {*special_ids.PIECES, *vocabulary.OFFICIAL_FLAGS["user_defined_symbols"]}
    vocab_size = len({*fixed, *ENDINGS, "▁"}) + len(words) + len(characters)
    vocabulary.train(lines, prefix, vocab_size)
    return vocab_size
