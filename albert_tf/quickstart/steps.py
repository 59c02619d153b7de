"""Runs the pipeline of the quickstart; a step is skipped if its output is already complete."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from albert_tf import files
from albert_tf.cli import main
from albert_tf.errors import InputError
from albert_tf.pretraining.records import manifest
from albert_tf.quickstart import corpus, docstring_pairs, package_sentences
from albert_tf.training import run_folder

SETTINGS = "quickstart.json"
LENGTH = "64"  # The number of tokens in an instance, as in the recipe.


class Step(NamedTuple):
    """A step of the pipeline.

    Attributes:
      name: the name of the step.
      done: returns whether the output of the step is complete.
      command: the `albert-tf` command that runs the step.
      call: the function that runs the step, if it is not a command.
    """

    name: str
    done: Callable[[], bool]
    command: Sequence[str] = ()
    call: Callable[[], str] | None = None


def run(
    input_glob: str | None,
    output_dir: str | os.PathLike,
    vocab_size: int,
    train_steps: int | None,
    recipe: str,
) -> dict[str, Any]:
    """Runs the full pipeline and returns the contents of metrics.json.

    Args:
      input_glob: text files; None uses the documentation of the installed packages.
      output_dir: a folder that is new, empty, or from an earlier run with the same settings.
      vocab_size: the size of the vocabulary.
      train_steps: the number of updates; None takes that of the recipe.
      recipe: the gin file for pretraining.

    Raises:
      InputError: the input matches no file, or the folder has other contents.
    """
    out = Path(output_dir).expanduser()
    settings = dict(input=input_glob, vocab_size=vocab_size, train_steps=train_steps)
    if input_glob is not None:
        files.expand(input_glob)
    seconds = _start(out, settings)
    for step in steps(out, settings, recipe):
        if step.done():
            print(f"\n== {step.name}: already done")
            continue
        print(f"\n== {step.name}", flush=True)
        begin = time.monotonic()
        _run_step(step)
        seconds[step.name] = seconds.get(step.name, 0.0) + round(time.monotonic() - begin, 1)
        _save(out, settings, seconds)
    return _evaluate(out, seconds)


def steps(out: Path, settings: dict[str, Any], recipe: str) -> list[Step]:
    """Returns the steps in order; `settings` has the arguments of `run`."""
    train, heldout, vocab = out / "text/train.txt", out / "text/heldout.txt", out / "vocab.model"
    size, run = str(settings["vocab_size"]), out / "run"
    pretraining = [
        Step(
            "text",
            lambda: train.is_file() and heldout.is_file(),
            call=lambda: corpus.write(settings["input"], train, heldout),
        ),
        Step(
            "vocabulary",
            vocab.is_file,
            ["vocab", "--input", str(train), "--output", str(out / "vocab"), "--vocab_size", size],
        ),
        _data_step("train", train, vocab, out, copies=6),
        _data_step("heldout", heldout, vocab, out, copies=2),
        Step(
            "training",
            (run / run_folder.OPERATIVE_CONFIG).is_file,
            ["train", "--gin_file", recipe, "--mode", "train_and_eval", "--model_dir", str(run)]
            + _macros(out, size, settings["train_steps"]),
        ),
    ]
    exports = []
    for kind, more in (("encoder", []), ("preprocessor", ["--seq_length", LENGTH])):
        target = out / "hub" / kind
        command = ["export", kind, str(run), str(target), *more]
        exports.append(Step(f"export, {kind}", target.is_dir, command))
    steps = settings["train_steps"]
    return [*pretraining, *exports, *_classifier_steps(out, steps), *_embedding_steps(out, steps)]


def _classifier_steps(out: Path, train_steps: int | None) -> list[Step]:
    """Returns the steps that fine-tune and export a classifier of the package of a sentence."""
    train, dev = out / "labelled/train.jsonl", out / "labelled/dev.jsonl"
    macros = dict(LEARNING_RATE=5e-4, EPOCHS=4, EVALUATIONS=4)
    per_package = 1000 if train_steps is None else 40
    return [
        Step(
            "labelled sentences",
            lambda: train.is_file() and dev.is_file(),
            call=lambda: package_sentences.write(train, dev, per_package=per_package),
        ),
        _fine_tuning("classifier", "finetune_table", out, "labelled", train_steps, **macros),
        _export("classifier", out),
    ]


def _embedding_steps(out: Path, train_steps: int | None) -> list[Step]:
    """Returns the steps that train vectors by which the rest of a docstring is found."""
    train, dev = out / "pairs/train.jsonl", out / "pairs/dev.jsonl"
    texts = {out / "text/train.txt": train, out / "text/heldout.txt": dev}
    macros = dict(SECOND_TEXT="rest", LEARNING_RATE=1e-3, BATCH_SIZE=128, EPOCHS=1, EVALUATIONS=2)
    return [
        Step(
            "pairs of sentences",
            lambda: train.is_file() and dev.is_file(),
            call=lambda: docstring_pairs.write(texts),
        ),
        _fine_tuning("embedding", "finetune_pairs", out, "pairs", train_steps, **macros),
        _export("embedding", out),
    ]


def _fine_tuning(
    model: str, recipe: str, out: Path, data: str, train_steps: int | None, **macros: Any
) -> Step:
    """Returns the step that fine-tunes the pretrained model on a folder of data."""
    run = out / model
    macros |= dict(INIT_FROM=out / "run", SEQ_LENGTH=LENGTH)
    macros |= dict(TRAIN_DATA=out / data / "train.jsonl", EVAL_DATA=out / data / "dev.jsonl")
    if train_steps is not None:
        macros |= dict(TRAIN_STEPS=train_steps, WARMUP_STEPS=1, EVAL_INTERVAL=train_steps)
    command = ["train", "--gin_file", recipe, "--mode", "train_and_eval", "--model_dir", str(run)]
    command += [f"--gin.{name}={value}" for name, value in macros.items()]
    return Step(f"fine-tuning, {model}", (run / run_folder.OPERATIVE_CONFIG).is_file, command)


def _export(model: str, out: Path) -> Step:
    target = out / "hub" / model
    command = ["export", "task", str(out / model / "best"), str(target)]
    return Step(f"export, {model}", target.is_dir, command)


def _data_step(part: str, text: Path, vocab: Path, out: Path, copies: int) -> Step:
    folder = out / "data" / part
    command = ["data", "build", "--input", str(text), "--vocab", str(vocab)]
    command += ["--output_dir", str(folder), "--max_seq_length", LENGTH]
    command += ["--dupe_factor", str(copies)]
    return Step(
        f"data, {part}",
        lambda: (folder / manifest.NAME).is_file() and manifest.read(folder)["complete"],
        command,
    )


def _macros(out: Path, vocab_size: str, train_steps: int | None) -> list[str]:
    macros = [
        f"--gin.VOCAB={out / 'vocab.model'}",
        f"--gin.VOCAB_SIZE={vocab_size}",
        f"--gin.TRAIN_DATA={out / 'data/train/*.tfrecord'}",
        f"--gin.EVAL_DATA={out / 'data/heldout/*.tfrecord'}",
    ]
    if train_steps is not None:
        macros += [f"--gin.TRAIN_STEPS={train_steps}", f"--gin.WARMUP_STEPS={train_steps // 10}"]
    return macros


def _run_step(step: Step) -> None:
    if step.call:
        print(step.call())
        return
    print(f"$ albert-tf {shlex.join(step.command)}", flush=True)
    arguments = main.parse(["albert-tf", *step.command])
    arguments.run(arguments)


def _evaluate(out: Path, seconds: dict[str, float]) -> dict[str, Any]:
    """Prints and saves the evaluation and the loss curve; returns the metrics."""
    from albert_tf.quickstart import evaluation

    print("\n== evaluation")
    metrics = {**evaluation.measure(out), "seconds": seconds, "peak_memory_mib": _peak_memory()}
    print(evaluation.text(metrics))
    evaluation.draw_losses(out / "run", out / "loss.png")
    with files.replacing(out / "metrics.json") as temporary:
        temporary.write_text(json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    print(f"\nmetrics      {out / 'metrics.json'}\nloss curve   {out / 'loss.png'}")
    print(f"modules      {out / 'hub/encoder'}, {out / 'hub/preprocessor'}")
    return metrics


def _start(out: Path, settings: dict[str, Any]) -> dict[str, float]:
    """Checks that the folder is new or has the same settings; returns the times of past steps."""
    path = out / SETTINGS
    if not path.is_file():
        files.check_new_directory(out, "--output_dir")
        out.mkdir(parents=True, exist_ok=True)
        _save(out, settings, {})
        return {}
    before = json.loads(path.read_text())
    if before["settings"] != settings:
        raise InputError(
            "--output_dir must be new or from a quickstart with the same settings. Received "
            f"'{out}' with {before['settings']}, but now {settings}. Choose another folder."
        )
    return before["seconds"]


def _save(out: Path, settings: dict[str, Any], seconds: dict[str, float]) -> None:
    with files.replacing(out / SETTINGS) as temporary:
        temporary.write_text(json.dumps(dict(settings=settings, seconds=seconds), indent=2) + "\n")


def _peak_memory() -> int:
    """Returns the peak resident memory of this process so far, in MiB."""
    import resource  # Not available on Windows, nor is tensorflow-text for TensorFlow 2.20.

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
