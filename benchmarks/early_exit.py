"""Measures a classifier with early exit: texts a second and its metric, for several thresholds.

    python -m benchmarks.early_exit --model runs/packages --data labelled/dev.jsonl [--batches 1 32]

The model was trained with EARLY_EXIT, and the file has labelled texts in its format. Each threshold
is served as `albert-tf export task` does, from token ids, and so is the same model without early
exit ("all layers"). They take turns, A B C A B C, and the ratios within each round are compared.
With --cpu_time, processor time is measured, for machines on which other programs run.

With --preset albert_base_v2, the speed of another size is measured: the model has random weights
and reads the same texts, and the thresholds are those with which these use 2.5, 5 and 9 layers on
average. Its metric means nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras

from albert_tf import Predictor, presets
from albert_tf.errors import InputError
from albert_tf.modeling.inputs import NAMES
from albert_tf.serving.signatures import TF1_HUB
from albert_tf.tasks.classification.exits import NEVER, confidence
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.classification.served import ServedClassifier
from albert_tf.tasks.encoded_examples import EncodedExamples
from benchmarks import interleaved, machine, report

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
MEAN_LAYERS = (2.5, 5.0, 9.0)  # With --preset.
PLAIN = "all layers"
# Random heads with the deviation of an initializer are equally unsure of all texts.
HEAD_SCALE = 8.0


def main() -> None:
    """Prints a table for each batch size."""
    args = _arguments()
    host = machine.describe()
    print(f"{host['processor']}, {host['cores']} core(s), TensorFlow {tf.__version__}, float32")
    predictor = Predictor(args.model)
    model, task = predictor.model, predictor.task
    if not getattr(model, "early_exit", ""):
        raise InputError(
            f"The model must have heads for early exit. Received '{args.model}', which has none. "
            "Train it with --gin.EARLY_EXIT=joint."
        )
    if args.preset:
        model = _random(model, args.preset)
    config = model.albert_config
    print(f"{config.num_hidden_layers} layers, hidden size {config.hidden_size}")
    examples = task.read(
        task.task_config.validation_data.replace(
            input_path=str(args.data), is_training=False, seq_length=predictor.seq_length
        )
    )
    wanted = examples.labels["label"]
    batches = _batches(examples, range(len(wanted)), 32)
    if args.preset:
        chosen = [*(_threshold(model, batches[:4], layers) for layers in MEAN_LAYERS), NEVER]
        systems = {PLAIN: None, **{f"{t:.4f}": t for t in chosen}}
    else:
        tuned = task.exit_threshold
        systems = {PLAIN: None, f"tuned, {tuned:.4f}": tuned, **{f"{t}": t for t in THRESHOLDS}}
    runs = {name: _tokens(predictor, model, t) for name, t in systems.items()}
    metrics, used = {}, {}
    for name, run in runs.items():
        logits, layers = _answers(run, batches, config.num_hidden_layers)
        metrics[name] = task.problem.scores(wanted, logits)[task.metric]
        used[name] = layers.mean()
    clock = time.process_time if args.cpu_time else time.perf_counter
    what = "processor time" if args.cpu_time else "elapsed time"
    for size in args.batches:
        count = min(args.texts, len(wanted))
        timed = _batches(examples, range(count), size)
        calls = {n: functools.partial(_answers, run, timed, 0) for n, run in runs.items()}
        seconds = interleaved.measure(calls, args.rounds, 1, clock)
        print(f"\n{size} text(s) in a request, {args.rounds} rounds, {what}\n")
        print(f"| threshold | {task.metric} | mean layers | ms a text | speed |")
        print("|---|---|---|---|---|")
        for name, values in seconds.items():
            median, least, most = report.ratio(seconds[PLAIN], values)
            print(
                f"| {name} | {metrics[name]:.4f} | {used[name]:.2f} "
                f"| {1000 * statistics.median(values) / count:.3f} "
                f"| {median:.2f} ({least:.2f} to {most:.2f}) |",
                flush=True,
            )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", required=True, help="a run, or another model with early exit")
    add("--data", type=Path, required=True, help="a table of labelled texts")
    add("--batches", type=int, nargs="+", default=[1, 32], help="texts in a request (1 32)")
    add("--texts", type=int, default=256, help="texts to time (default: %(default)s)")
    add("--rounds", type=int, default=7, help="turns of each (default: %(default)s)")
    add(
        "--preset",
        choices=presets.PRESETS,
        metavar="SIZE",
        help="a released size, to measure with random weights (default: the model)",
    )
    add("--cpu_time", action="store_true", help="measure processor time")
    return parser.parse_args()


def _random(model: AlbertClassifier, preset: str) -> AlbertClassifier:
    """Returns a model of a released size with random weights, for the texts of `model`."""
    vocab_size = model.albert_config.vocab_size
    config = dataclasses.replace(presets.get(preset).config, vocab_size=vocab_size)
    settings = dict(problem=model.problem, pooling=model.pooling, early_exit=model.early_exit)
    tf_keras.utils.set_random_seed(0)
    result = AlbertClassifier(config, labels=model.labels, **settings)
    for kernel in (result.head.kernel, result.head.exits.kernel):
        kernel.assign(HEAD_SCALE * kernel)
    return result


def _threshold(
    model: AlbertClassifier, batches: list[tuple[tf.Tensor, ...]], layers: float
) -> float:
    """Returns the threshold with which texts use a number of layers on average."""
    logits = [model.layer_logits(dict(zip(NAMES, batch))) for batch in batches]
    values = confidence(model.problem, tf.concat(logits, 0)).numpy()[:, :-1]  # [R, L - 1]

    def mean_layers(threshold: float) -> float:
        sure = values > threshold
        used = np.where(sure.any(axis=1), sure.argmax(axis=1), values.shape[1])
        return used.mean() + 1

    return float(min(np.linspace(0, 1, 2001), key=lambda t: abs(mean_layers(t) - layers)))


def _tokens(
    predictor: Predictor, model: AlbertClassifier, threshold: float | None
) -> Callable[..., dict[str, tf.Tensor]]:
    """Returns the signature `tokens` of the model; with None, without early exit."""
    served = ServedClassifier(
        model, predictor.task.tokenizer, predictor.seq_length, exit_threshold=threshold
    )
    return served.signatures()["tokens"].get_concrete_function()


def _batches(examples: EncodedExamples, rows: range, size: int) -> list[tuple[tf.Tensor, ...]]:
    """Returns ids, mask and types of `size` rows at a time, in their order."""
    parts = [np.array(rows[i : i + size]) for i in range(0, len(rows), size)]
    return [tuple(map(tf.constant, (examples.batch(p)[n] for n in NAMES))) for p in parts]


def _answers(
    run: Callable[..., dict[str, tf.Tensor]], batches: list[tuple[tf.Tensor, ...]], layers: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the logits of all rows and the layers that they used, `layers` without early exit."""
    outputs = [run(**dict(zip(TF1_HUB, batch))) for batch in batches]
    logits = np.concatenate([o["logits"].numpy() for o in outputs])
    if "layers" not in outputs[0]:
        return logits, np.full(len(logits), layers)
    return logits, np.concatenate([o["layers"].numpy() for o in outputs])


if __name__ == "__main__":
    main()
