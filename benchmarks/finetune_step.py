"""One pass of fine-tuning over sentences of their real lengths, by three systems in turn.

    pip install --constraint constraints.txt '.[bench]'
    python -m benchmarks.finetune_step [--preset albert_base_v2] [--examples 256] [--rounds 5]

The set is sentences of the installed documentation, labelled by package, with the vocabulary of
--vocab. Each system batches it as its users get it: albert_tf puts rows of like length together
and leaves out the padding that is left (the last row of the table computes it),
Model Garden's SentencePredictionTask pads all to --length, transformers' Trainer pads each batch to
its longest row. A pass is every batch from the input pipeline through forward, backward, clipping
and AdamW, float32, same weights. Each system runs in a process of its own with its default threads.
The mean losses must agree to 1e-3 before anything is timed; then they take turns, A B C A B C, and
what counts is the ratio within a round.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from albert_tf.data.corpus import package_sentences
from albert_tf.data.labelled.classification import LabelledText, encode
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from benchmarks import interleaved, model_size
from benchmarks.finetune_systems import OURS, SYSTEMS, artefacts
from benchmarks.worker import Failed, Worker, in_process

TOLERANCE = 1e-3


def sentences(vocab: str, examples: int, length: int, batch_size: int) -> dict[str, np.ndarray]:
    """Returns ids, splits and labels of labelled sentences; `examples` of them."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("train.jsonl", "dev.jsonl")]
        package_sentences.write(*paths)
        lines = paths[0].read_text(encoding="utf-8").splitlines()
    rng = np.random.default_rng(0)
    rows = [json.loads(lines[i]) for i in rng.permutation(len(lines))[:examples]]
    labels = sorted({row["label"] for row in rows})
    texts = [LabelledText("", (row["text"],)) for row in rows]
    ids, _ = encode(texts, AlbertTokenizer.from_pretrained(vocab), length)
    return dict(
        ids=np.concatenate(ids).astype(np.int32),
        splits=np.cumsum([0, *map(len, ids)]),
        labels=np.array([labels.index(row["label"]) for row in rows], np.int32),
        width=np.array(length),
        batch_size=np.array(batch_size),
    )


def measure(
    config: dict[str, object], data: dict[str, np.ndarray], systems: list[str], rounds: int
) -> str:
    """Returns the table."""
    workers, losses = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        in_process(artefacts, config, int(data["labels"].max()) + 1, Path(folder))
        for name in tqdm(systems, desc="first passes", leave=False):
            try:
                worker = Worker(SYSTEMS[name], Path(folder))
                losses[name] = float(worker.bind(data)[0])
                workers[name] = worker
            except Failed as error:
                tqdm.write(f"{name}: left out: {str(error).strip().splitlines()[-1]}")
        assert np.ptp([*losses.values()]) < TOLERANCE, f"losses differ: {losses}"
        seconds: dict[str, list[float]] = {name: [] for name in workers}
        for _ in tqdm(range(rounds), desc="rounds", leave=False):
            for name, worker in workers.items():
                seconds[name].append(worker.run(1))
        for worker in workers.values():
            worker.stop()
    lengths = np.diff(data["splits"])
    title = (
        f"{len(lengths)} sentences, {lengths.mean():.1f} tokens on average, {lengths.max()} at "
        f"most, batches of {data['batch_size']}, fixed length {data['width']}, loss "
        f"{losses[OURS]:.4f} for all"
    )
    return interleaved.table(title, seconds)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--vocab", required=True, help="a SentencePiece model, such as quickstart/vocab.model")
    model_size.add_flags(parser)
    add("--examples", type=int, default=256, help="(%(default)s)")
    add("--length", type=int, default=128, help="fixed length of Model Garden's (%(default)s)")
    add("--batch", type=int, default=32, help="(%(default)s)")
    add("--systems", nargs="+", default=[*SYSTEMS], choices=SYSTEMS)
    add("--rounds", type=int, default=5, help="turns of each system (%(default)s)")
    args = parser.parse_args()
    if args.examples % args.batch:
        parser.error("--examples must be a multiple of --batch, so that no system leaves some out")
    data = sentences(args.vocab, args.examples, args.length, args.batch)
    config = model_size.config(args).to_dict()
    systems = [OURS, *(name for name in args.systems if name != OURS)]
    print(f"{args.preset}: {measure(config, data, systems, args.rounds)}", flush=True)


if __name__ == "__main__":
    main()
