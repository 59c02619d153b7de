"""Compares the speed of tokenizers on the same text, in megabytes per second on one core.

    python -m benchmarks.tokenization [--megabytes 1] [--rounds 5] [--long_line 10]

Install the other tokenizers with `pip install albert-tf[peers]`; missing ones are skipped.

The text is the documentation of installed packages, tokenized line by line, with a vocabulary of
8000 pieces trained on it. The process is bound to one core and TensorFlow to one thread. Times are
processor times, on which other programs have little influence. First, the ids of our tokenizers, in
Python and in the graph, must equal those of a plain implementation of the original's rules. The
fraction of lines with the same ids is printed next to the speed of each of the other tokenizers.

Two more tokenizers have the 500 words that `albert-tf vocab extend` takes from the text: words of
three pieces or more, which are in few lines, and words of two or more, which are in many.

`--long_line` also tokenizes a single line of that many megabytes, and one of a tenth of it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TOKENIZERS_PARALLELISM="false", RAYON_NUM_THREADS="1")
# transformers' generated protobuf code expects another version of protobuf than TensorFlow's.
os.environ["TEMPORARILY_DISABLE_PROTOBUF_VERSION_CHECK"] = "true"

import sentencepiece  # noqa: E402
import tensorflow as tf  # noqa: E402

from albert_tf.quickstart.docstrings import write_corpus  # noqa: E402
from albert_tf.tokenization import new_words, vocabulary  # noqa: E402
from albert_tf.tokenization.graph.tokenizer import GraphTokenizer  # noqa: E402
from albert_tf.tokenization.tokenizer import AlbertTokenizer  # noqa: E402
from benchmarks import interleaved  # noqa: E402

BATCH = 1000
WORDS = 500
Ids = list[list[int]]
Peer = Callable[[Path, list[str]], tuple[Callable[[], object], Ids]]
Ours = Callable[[Path, list[str]], tuple[dict[str, Callable[[], object]], Ids]]


class PlainRules:
    """The original's rules as it runs them: one text and one piece at a time."""

    def __init__(self, model_file: Path) -> None:
        self.processor = sentencepiece.SentencePieceProcessor(model_file=str(model_file))

    def __call__(self, texts: list[str]) -> Ids:
        """Returns the ids of each text."""
        return [[self.processor.PieceToId(p) for p in self._pieces(text)] for text in texts]

    def _pieces(self, text: str) -> list[str]:
        text = unicodedata.normalize("NFKD", " ".join(text.strip().split()))
        text = "".join(c for c in text if not unicodedata.combining(c)).lower()
        pieces: list[str] = []
        for piece in self.processor.EncodeAsPieces(text):
            if len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit():
                pieces += self.processor.EncodeAsPieces(piece[:-1].replace("▁", ""))
                pieces.append(",")
            else:
                pieces.append(piece)
        return pieces


def in_data(tokenize: Callable[[tf.Tensor], tf.RaggedTensor], texts: list[str]) -> tf.data.Dataset:
    """Returns a single-threaded pipeline that tokenizes batches of the texts."""
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    # No prefetching while another system is timed.
    options.autotune.enabled = False
    options.experimental_optimization.inject_prefetch = False
    data = tf.data.Dataset.from_tensor_slices(texts).batch(BATCH).cache()
    return data.map(tokenize).with_options(options)


def passes(data: tf.data.Dataset) -> Callable[[], object]:
    """Returns a function that reads all batches from a pipeline that stays open, as in training.

    Opening a pipeline takes a quarter of a second, whatever its length.
    """
    count = int(data.cardinality())
    batches = iter(data.repeat())
    return lambda: [next(batches) for _ in range(count)]


def in_batches(tokenize: Callable[[list[str]], object], texts: list[str]) -> Callable[[], object]:
    """Returns a function that tokenizes batches of the texts, one after the other."""

    def run() -> None:
        for begin in range(0, len(texts), BATCH):
            tokenize(texts[begin : begin + BATCH])

    return run


def rows_of(data: tf.data.Dataset) -> Ids:
    """Returns all rows of a pipeline as one list."""
    return [row for batch in data for row in batch.to_list()]


def ours(model_file: Path, texts: list[str]) -> tuple[dict[str, Callable[[], object]], Ids]:
    """Returns our tokenizers, and the ids that all of them without new words return."""
    tokenizer, plain = AlbertTokenizer(model_file), PlainRules(model_file)
    expected = plain(texts)
    tokenizers = {"": tokenizer}
    for pieces in (3, 2):
        extended = with_words(tokenizer, texts, pieces)
        share = len(extended.matcher.find(texts)) / len(texts)
        tokenizers[f"  {len(extended.added_tokens)} words, {share:.0%} of lines"] = extended
    systems: dict[str, Callable[[], object]] = {"plain Python rules": in_batches(plain, texts)}
    for runtime in ("in Python", "with offsets", "in tf.data"):
        for name, system in tokenizers.items():
            ids = system.encode_batch(texts)
            assert name or ids == expected, "Python differs from the plain rules"
            if runtime == "in Python":
                run = in_batches(system.encode_batch, texts)
            elif runtime == "with offsets":
                spans = system.tokenize_batch_with_offsets(texts)
                assert [tokens.ids for tokens in spans] == ids, "ids with offsets differ"
                run = in_batches(system.tokenize_batch_with_offsets, texts)
            else:
                data = in_data(GraphTokenizer(system).tokenize, texts)
                assert rows_of(data) == ids, "the graph differs from Python"
                run = passes(data)
            # A name belongs to the last one above that is not indented.
            systems[f"{name} {runtime}" if name else f"albert_tf {runtime}"] = run
    return systems, expected


def with_words(tokenizer: AlbertTokenizer, texts: list[str], pieces: int) -> AlbertTokenizer:
    """Returns the tokenizer with the words that `albert-tf vocab extend` takes from the texts."""
    words = new_words.frequent(texts, tokenizer, WORDS, pieces)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, tokenizer.model_file.name)
        file.write_bytes(tokenizer.model_proto)
        return AlbertTokenizer(file, added_tokens=new_words.tokens(words, tokenizer))


def model_garden(model_file: Path, texts: list[str]) -> tuple[Callable[[], object], Ids]:
    """Returns Model Garden's layer in `tf.data`, and its ids."""
    from official.nlp.modeling import layers

    layer = layers.SentencepieceTokenizer(
        lower_case=True, strip_diacritics=True, model_serialized_proto=model_file.read_bytes()
    )
    data = in_data(layer, texts)
    return passes(data), rows_of(data)


def hugging_face_fast(model_file: Path, texts: list[str]) -> tuple[Callable[[], object], Ids]:
    """Returns transformers' AlbertTokenizer, which runs in Rust, and its ids."""
    from transformers import AlbertTokenizer as Fast

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "spiece.model").write_bytes(model_file.read_bytes())
        fast = Fast.from_pretrained(folder)

    def run() -> Ids:
        return fast(texts, add_special_tokens=False)["input_ids"]

    return run, run()


def hugging_face_slow(model_file: Path, texts: list[str]) -> tuple[Callable[[], object], Ids]:
    """Returns transformers' Python tokenizer over SentencePiece, and its ids.

    Version 5 no longer has a slow AlbertTokenizer. This is the class on which one would be based.
    It does not normalise the text, so it has less to do.
    """
    from transformers.tokenization_utils_sentencepiece import SentencePieceBackend

    slow = SentencePieceBackend(vocab_file=str(model_file), unk_token="<unk>", pad_token="<pad>")

    def run() -> Ids:
        return slow(texts, add_special_tokens=False)["input_ids"]

    return run, run()


PEERS = {
    "Model Garden in tf.data": model_garden,
    "Hugging Face fast": hugging_face_fast,
    "Hugging Face slow": hugging_face_slow,
}


def table(seconds: Mapping[str, list[float]], megabytes: float, same: Mapping[str, float]) -> str:
    """Returns a table of rates, with ratios (median, min, max) to the tokenizers to beat.

    Indented names are those of a tokenizer with new words; their ratio is that to the one without.
    """
    bases = [name for name in ("Hugging Face fast", "plain Python rules") if name in seconds]
    lines = [f"{'':<38}{'MB/s':>7}{'same ids':>10}" + "".join(f"  rate / {b:<21}" for b in bases)]
    above = ""
    for name, values in seconds.items():
        own = same.get(name)
        line = f"{name:<38}{megabytes / statistics.median(values):>7.2f}"
        line += f"{'' if own is None else format(own, '.1%'):>10}"
        above = above if name.startswith(" ") else name
        for base in bases if above == name else [above]:
            ratios = [other / value for value, other in zip(values, seconds[base])]
            middle = statistics.median(ratios)
            line += f"{middle:>12.2f} ({min(ratios):.2f}, {max(ratios):.2f})".ljust(30)
        lines.append(line.rstrip() + ("" if above == name else " of the speed without new words"))
    return "\n".join(lines)


def arguments() -> argparse.ArgumentParser:
    """Returns the arguments of all comparisons, and sets up TensorFlow for them."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--megabytes", type=float, default=1.0, help="size of the text in MB (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="turns of each system (default: %(default)s)"
    )
    return parser


def compare(
    vocab: Path, texts: list[str], ours: Ours, peers: Mapping[str, Peer], rounds: int
) -> None:
    """Checks the ids and prints the table.

    Args:
      vocab: the vocabulary.
      texts: the texts.
      ours: returns our tokenizers, and the ids that they return.
      peers: return another tokenizer and its ids; missing ones are skipped.
      rounds: the number of turns of each system.
    """
    systems, expected = ours(vocab, texts)
    same = {name: 1.0 for name in systems if not name.startswith(" ")}
    for name, build in peers.items():
        try:
            systems[name], ids = build(vocab, texts)
        except ImportError as error:
            print(f"skipped {name}: {error}")
            continue
        same[name] = sum(a == b for a, b in zip(ids, expected)) / len(expected)
    megabytes = sum(len(line.encode()) for line in texts) / 1e6
    print(f"{len(texts):,} lines, {megabytes:.1f} MB")
    seconds = interleaved.measure(systems, rounds, calls=1, clock=time.process_time)
    print(table(seconds, megabytes, same))


def long_lines(model_file: Path, texts: list[str], megabytes: float) -> str:
    """Returns the seconds for a line of `megabytes` and one of a tenth, in Python and the graph."""
    tokenizer = AlbertTokenizer(model_file)
    graph = tf.function(GraphTokenizer(tokenizer).tokenize)
    runtimes: dict[str, Callable[[str], int]] = {
        "Python": lambda text: len(tokenizer.encode(text)),
        "graph": lambda text: int(tf.size(graph(tf.constant([text])).values)),
    }
    lines = ["one long line"]
    text = " ".join(texts)
    for size in (megabytes / 10, megabytes):
        line = (text * (1 + int(size * 1e6 / len(text))))[: int(size * 1e6)]
        for name, run in runtimes.items():
            begin = time.process_time()
            count = run(line)
            spent = time.process_time() - begin
            lines.append(f"  {size:>5.1f} MB in {name:<7}{count:>9,} tokens{spent:>7.2f} s")
    return "\n".join(lines)


def main() -> None:
    """Trains the vocabulary, checks the ids and prints the table."""
    parser = arguments()
    parser.description = __doc__.splitlines()[0]
    parser.add_argument(
        "--long_line",
        type=float,
        default=0.0,
        help="also tokenize a line of this size in MB (default: none)",
    )
    parser.add_argument(
        "--vocab", type=Path, help="SentencePiece model to use (default: train one on the text)"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "text.txt")
        write_corpus(text, Path(folder, "rest.txt"), max_bytes=max(4e6, args.megabytes * 1.3e6))
        lines = [line for line in text.read_text().split("\n") if line]
        model_file = args.vocab or vocabulary.train(lines, Path(folder, "vocab"), 8000)
        texts, left = [], args.megabytes * 1e6
        for line in lines:
            left -= len(line.encode())
            texts.append(line)
            if left <= 0:
                break
        compare(model_file, texts, ours, PEERS, args.rounds)
        if args.long_line:
            print(long_lines(model_file, texts, args.long_line))


if __name__ == "__main__":
    main()
