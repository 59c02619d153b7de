"""Compares the speed of WordPiece tokenizers, in megabytes per second on one core.

    python -m benchmarks.wordpiece --vocab vocab.txt [--megabytes 1] [--rounds 5] [--chinese]

The text is the documentation of installed packages, or with `--chinese`, random Chinese characters
of the vocabulary with signs, in lines of 60. The rest is as in benchmarks/tokenization.py. The ids
of the graph must equal those of Python.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path

# Binds the process to one core, so it comes first.
from benchmarks.tokenization import (  # isort: skip
    Ids,
    arguments,
    compare,
    in_batches,
    in_data,
    passes,
    rows_of,
)

import tensorflow as tf

from albert_tf.quickstart.docstrings import write_corpus
from albert_tf.tokenization.graph.tokenizer import GraphTokenizer
from albert_tf.tokenization.tokenizer import AlbertTokenizer


def ours(vocab: Path, texts: list[str]) -> tuple[dict[str, Callable[[], object]], Ids]:
    """Returns our tokenizers, and the ids that all of them return."""
    tokenizer = AlbertTokenizer(vocab)
    in_graph = in_data(GraphTokenizer(tokenizer).tokenize, texts)
    expected = tokenizer.encode_batch(texts)
    assert rows_of(in_graph) == expected, "the graph differs from Python"
    systems = {
        "albert_tf in Python": in_batches(tokenizer.encode_batch, texts),
        "albert_tf with offsets": in_batches(tokenizer.tokenize_batch_with_offsets, texts),
        "albert_tf in tf.data": passes(in_graph),
    }
    return systems, expected


def _layer(name: str, vocab: Path, texts: list[str]) -> tuple[Callable[[], object], Ids]:
    from official.nlp.modeling import layers

    layer = getattr(layers, name)(vocab_file=str(vocab), lower_case=True)
    # The layer returns the pieces of each word.
    data = in_data(lambda batch: layer(batch).merge_dims(1, -1), texts)
    return passes(data), rows_of(data)


def model_garden(vocab: Path, texts: list[str]) -> tuple[Callable[[], object], Ids]:
    """Returns Model Garden's BertTokenizer in `tf.data`, and its ids."""
    return _layer("BertTokenizer", vocab, texts)


def model_garden_fast(vocab: Path, texts: list[str]) -> tuple[Callable[[], object], Ids]:
    """Returns Model Garden's FastWordpieceBertTokenizer in `tf.data`, and its ids."""
    return _layer("FastWordpieceBertTokenizer", vocab, texts)


def tensorflow_text(vocab: Path, texts: list[str]) -> tuple[Callable[[], object], Ids]:
    """Returns tf_text's FastBertTokenizer in `tf.data`, and its ids."""
    import tensorflow_text as tf_text

    pieces = vocab.read_text(encoding="utf-8").split("\n")[:-1]
    tokenizer = tf_text.FastBertTokenizer(
        pieces, token_out_type=tf.int32, lower_case_nfd_strip_accents=True
    )
    data = in_data(tokenizer.tokenize, texts)
    return passes(data), rows_of(data)


def hugging_face(vocab: Path, texts: list[str]) -> tuple[Callable[[], object], Ids]:
    """Returns transformers' BertTokenizer, which runs in Rust, and its ids."""
    from transformers import BertTokenizer

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "vocab.txt").write_bytes(vocab.read_bytes())
        fast = BertTokenizer.from_pretrained(folder)

    def run() -> Ids:
        return fast(texts, add_special_tokens=False)["input_ids"]

    return run, run()


PEERS = {
    "Model Garden's BERT": model_garden,
    "Model Garden's fast": model_garden_fast,
    "TensorFlow Text's fast": tensorflow_text,
    "Hugging Face fast": hugging_face,
}


def english(megabytes: float) -> list[str]:
    """Returns lines of the documentation of installed packages."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "text.txt")
        write_corpus(path, Path(folder, "rest.txt"), max_bytes=megabytes * 1e6)
        return [line for line in path.read_text().split("\n") if line]


def chinese(vocab: Path, megabytes: float) -> list[str]:
    """Returns lines of random Chinese characters with signs."""
    rng = random.Random(0)
    pieces = vocab.read_text(encoding="utf-8").split("\n")
    characters = [piece for piece in pieces if len(piece) == 1 and "一" <= piece <= "龥"]
    others = "，。、“”2024 GPT "
    lines = (
        "".join(rng.choice(characters if rng.random() < 0.9 else others) for _ in range(60))
        for _ in range(int(megabytes * 1e6 / 172))
    )
    return [line.strip() for line in lines]


def main() -> None:
    """Checks the ids and prints the table."""
    parser = arguments()
    parser.description = __doc__.splitlines()[0]
    parser.add_argument("--vocab", type=Path, required=True, help="vocab.txt")
    parser.add_argument("--chinese", action="store_true", help="Chinese text (default: English)")
    args = parser.parse_args()
    texts = chinese(args.vocab, args.megabytes) if args.chinese else english(args.megabytes)
    compare(args.vocab, texts, ours, PEERS, args.rounds)


if __name__ == "__main__":
    main()
