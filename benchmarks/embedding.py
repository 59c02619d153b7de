"""Compares how many texts a second become vectors, next to sentence-transformers.

    pip install . 'sentence-transformers<6' optimum-onnx onnxruntime 'optimum-intel<2' openvino
    python -m benchmarks.embedding [--cores 1 2] [--texts 128] [--rounds 5] [--report]

All systems have the same random weights, and compute in float32 if nothing else is said. They take
the same texts, whose lengths in tokens are those of documents in `traffic`, cut to 512. They are

- albert_tf: the export of `albert-tf export task`, in batches as the texts come;
- albert_tf, int8: the same with `--precision int8`;
- albert-tf embed: what the command computes, from texts to vectors;
- sentence-transformers, whose `encode` sorts texts by length: PyTorch, and its backends for ONNX
  Runtime and OpenVINO.

The packages of these backends need transformers 4, and sentence-transformers 6 needs version 5.

Each runs in its own process for each number of cores, and is bound to that many. Their vectors must
first agree to 1e-4, those of int8 to 5e-2 of their norm. Then all of them take turns, A B A B, and
the ratios of times within each round are compared. Systems with missing libraries are reported and
skipped. Close other programs for reliable results.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.export import lite_model
from benchmarks import machine, model_size, report, traffic
from benchmarks.artefacts import PIECES
from benchmarks.worker import Failed, Worker, in_process

OURS = "albert_tf"
INT8 = "albert_tf, int8"
TOLERANCE, OF_INT8 = 1e-4, 5e-2
LONGEST = 512
BATCH = 32  # The default of sentence-transformers.


def main() -> None:
    """Prints the table, and writes it to the page of all tables if asked."""
    parser = model_size.parser(__doc__)
    add = parser.add_argument
    add("--cores", type=int, nargs="+", default=[1, 2], help="numbers of cores (default: 1 2)")
    add("--texts", type=int, default=128, help="number of texts (default: %(default)s)")
    add("--rounds", type=int, default=5, help="turns of each system (default: %(default)s)")
    add("--systems", nargs="+", default=[*SYSTEMS], help=f"{'; '.join(SYSTEMS)} (default: all)")
    add("--report", action="store_true", help=f"write the table to {report.PAGE}")
    args = parser.parse_args()
    _check(args)
    config = dataclasses.replace(model_size.config(args), vocab_size=len(pieces()))
    host = machine.describe()
    names = ("sentence-transformers", "optimum-onnx", "optimum-intel")
    libraries = host["libraries"] | {n: v for n in names if (v := machine.version_of(n))}
    listed = ", ".join(f"{name} {version}" for name, version in libraries.items())
    about = (
        f"{args.preset}, {config.num_hidden_layers} layers, random weights, "
        f"{host['processor']}, Python {host['python']}; {listed}."
    )
    with tempfile.TemporaryDirectory() as folder:
        in_process(write_models, config, Path(folder))
        table = measure(Path(folder), texts(args.texts), args.cores, args.rounds, args.systems)
    text = f"{about}\n\n{table}"
    print(text)
    if args.report:
        report.put("benchmarks.embedding", text)


def _check(args: argparse.Namespace) -> None:
    for name in args.systems:
        if name not in SYSTEMS:
            raise InputError(
                f"--systems must be known names. Received {name!r}. {closest(name, SYSTEMS)}"
            )
    there = len(os.sched_getaffinity(0))
    for flag, values, most in (
        ("--cores", args.cores, there),
        ("--texts", [args.texts], None),
        ("--rounds", [args.rounds], None),
    ):
        if min(values) < 1 or most and max(values) > most:
            limit = f" and at most {most}, those of this machine" if most else ""
            raise InputError(
                f"{flag} must be at least 1{limit}. Received {' '.join(map(str, values))}. "
                "Change it."
            )


def pieces() -> list[str]:
    """Returns the pieces of the vocabulary."""
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_file=str(PIECES))
    return processor.IdToPiece(list(range(processor.GetPieceSize())))


def texts(count: int, seed: int = 0) -> list[str]:
    """Returns texts of pieces that are words, with the lengths of documents."""
    words = [name[1:] for name in pieces() if name[:1] == "▁" and name[1:].isalpha()]
    rng = np.random.default_rng(seed)
    marks = np.linspace(0, 1, len(traffic.DOCUMENTS))
    lengths = np.interp(rng.random(count), marks, traffic.DOCUMENTS).astype(int)
    return [" ".join(rng.choice(words, min(length, LONGEST) - 2)) for length in lengths]


def write_models(config: AlbertConfig, folder: Path) -> None:
    """Writes `model`, its conversion `peer` to sentence-transformers, and two exports."""
    import tf_keras

    from albert_tf import AlbertEmbedder, AlbertTokenizer
    from albert_tf.convert.conversion import convert
    from albert_tf.export import precision, task_model

    tf_keras.utils.set_random_seed(1)
    model = AlbertEmbedder(config, "mean")
    model.settings["seq_length"] = min(LONGEST, config.max_position_embeddings)
    model.save_pretrained(folder / "model", AlbertTokenizer(PIECES))
    convert(folder / "model", "hugging_face", folder / "peer")
    task_model.export(folder / "model", folder / "served", check=False)
    settings = task_model.Settings(precision=precision.Settings("int8"))
    task_model.export(folder / "model", folder / "served_int8", settings=settings, check=False)


# === Systems: each returns `bind`, as in `systems` ===
Bind = Callable[[Mapping[str, np.ndarray]], Callable[[], tuple[Any]]]


def _saved_model(folder: Path, cores: int, name: str = "served") -> Bind:
    import tensorflow as tf
    import tensorflow_text  # noqa: F401

    module = tf.saved_model.load(str(folder / name / "1"))
    run = module.signatures["serving_default"]

    def bind(batch: Mapping[str, np.ndarray]) -> Callable[[], tuple[Any]]:
        rows = batch["texts"].tolist()
        parts = [tf.constant(rows[i : i + BATCH]) for i in range(0, len(rows), BATCH)]
        return lambda: (np.concatenate([run(text=part)["embedding"] for part in parts]),)

    return bind


def _embed(folder: Path, cores: int) -> Bind:
    from albert_tf.tasks.predictor import Predictor

    predictor = Predictor(folder / "model")
    return lambda batch: lambda: (predictor.embed(batch["texts"].tolist(), BATCH),)


def _sentence_transformers(folder: Path, cores: int, backend: str) -> Bind:
    from sentence_transformers import SentenceTransformer

    settings: dict[str, Any] = {}
    if backend == "onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores
        settings = {"provider": "CPUExecutionProvider", "session_options": options, "export": True}
    elif backend == "openvino":
        device = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": str(cores)}
        settings = {"ov_config": device, "export": True}
    else:
        import torch

        torch.set_num_threads(cores)
    model = SentenceTransformer(
        str(folder / "peer"), device="cpu", backend=backend, model_kwargs=settings
    )
    return lambda batch: lambda: (model.encode(batch["texts"].tolist(), batch_size=BATCH),)


SYSTEMS: Mapping[str, Callable[..., Bind]] = {
    OURS: _saved_model,
    INT8: functools.partial(_saved_model, name="served_int8"),
    "albert-tf embed": _embed,
    "sentence-transformers": functools.partial(_sentence_transformers, backend="torch"),
    "sentence-transformers, ONNX": functools.partial(_sentence_transformers, backend="onnx"),
    "sentence-transformers, OpenVINO": functools.partial(
        _sentence_transformers, backend="openvino"
    ),
}


def _on_cores(folder: Path, name: str, cores: int) -> Bind:
    # Libraries count the cores that a process may use when they are imported.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    os.environ["OMP_NUM_THREADS"] = str(cores)
    return SYSTEMS[name](folder, cores)


def measure(
    folder: Path, found: Sequence[str], cores: Sequence[int], rounds: int, names: Sequence[str]
) -> str:
    """Returns a table of the systems on each number of cores."""
    batch = {"texts": np.array(found, dtype=object)}
    workers: dict[tuple[int, str], Worker] = {}
    skipped: dict[str, str] = {}
    expected = None
    for name in dict.fromkeys([OURS, *names]):
        for count in dict.fromkeys(cores):
            try:
                worker = Worker(functools.partial(_on_cores, name=name, cores=count), folder)
                (vectors,) = worker.bind(batch)
            except Failed as error:
                if name == OURS:
                    raise
                skipped[name] = f"{name}: skipped: {str(error).strip().splitlines()[-1]:.200}"
                continue
            expected = vectors if expected is None else expected
            drift = lite_model.drift_of(vectors, expected)
            if name == INT8:
                difference, most = drift.relative, OF_INT8
            else:
                difference, most = drift.largest, TOLERANCE
            if difference > most:
                raise SystemExit(f"{name} differs by {difference:.1e} from {OURS}")
            workers[count, name] = worker
    seconds: dict[tuple[int, str], list[float]] = {key: [] for key in workers}
    for _ in range(rounds):
        for key, worker in workers.items():
            seconds[key].append(worker.run(1))
    for worker in workers.values():
        worker.stop()
    words = sum(len(text.split()) for text in found)
    lines = [
        f"{len(found)} texts of {words / len(found):.0f} words on average, {rounds} rounds; "
        "medians, with the least and the most of the ratios.",
        "",
        f"| cores | system | texts/s | time / {OURS} on as many cores |",
        "|---|---|---|---|",
    ]
    for (count, name), values in sorted(seconds.items(), key=lambda item: item[0][0]):
        median, least, most = report.ratio(values, seconds[count, OURS])
        rate = len(found) / statistics.median(values)
        lines.append(
            f"| {count} | {name} | {rate:.1f} | {median:.2f} ({least:.2f} to {most:.2f}) |"
        )
    return "\n".join([*lines, *(["", *skipped.values()] if skipped else [])])


if __name__ == "__main__":
    main()
