"""Ends commands at random moments by a signal, and checks what they leave behind.

    python -m tests.support.killed_commands KILL,TERM,INT COUNT [SEED [NAME,...]]

Importing TensorFlow takes long, and a process that has used it cannot be forked. So this process
imports it, does not use it, and forks a child for each run. Each command is run twice without a
signal. Then it gets the signal at a random moment, and is run again. In the meantime, the result
must be absent, the old whole, or the new whole; in the end, it must equal the result of the first
run, with nothing beside it. Training and data builds, which resume, may leave a part of it.
"""

import contextlib
import filecmp
import gzip
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tensorflow.python.eager import context

# What the commands import in any case. None of it may run an operation of TensorFlow.
import albert_tf.convert.conversion
import albert_tf.export.command
import albert_tf.export.hub_encoder
import albert_tf.export.lite_model
import albert_tf.export.task_model
import albert_tf.pretraining.records.pretraining_data
import albert_tf.train_lib  # noqa: F401
from albert_tf.cli import main
from albert_tf.tokenization import vocabulary
from tests.support import tiny_run
from tests.support.paths import TESTDATA

VOCAB = TESTDATA / "tokenization/spm.model"
STATUS = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 143, signal.SIGINT: 130}


class Command(NamedTuple):
    """A command that is tried.

    Attributes:
      words: its arguments; OUT is a folder of its own.
      result: what it writes in OUT, as a glob.
      old: arguments that write an older result first.
      resumes: whether it may leave a part of its result, with which the same command goes on.
      varying: a pattern of the names of files whose bytes differ from run to run.
    """

    words: tuple
    result: str
    old: tuple = ()
    resumes: bool = False
    varying: str = "^$"


def commands(folder):
    """Returns the commands by name; their inputs are written to a folder."""
    model = folder / "model"
    shutil.copytree(TESTDATA / "hf_tasks/classification", model)
    texts = folder / "texts.txt"
    texts.write_text("a fine film\nnot worth two hours\n" * 50)
    vocabulary.train(texts.open(), model / "spiece", vocab_size=30)
    corpus = folder / "corpus.txt"
    corpus.write_bytes(gzip.decompress((TESTDATA / "pretraining_data/corpus.txt.gz").read_bytes()))
    saved = "saved_model.pb|fingerprint.pb|.*index|manifest.json"
    vocab = ("vocab", "--overwrite", "--num_threads", 1, "--output", "OUT/v", "--input")
    predict = ("predict", "--model", model, "--input", texts, "--output", "OUT/answers.jsonl")
    train = tiny_run.command("OUT/run", "train", SUMMARY_INTERVAL=1, CHECKPOINT_INTERVAL=1)
    return {
        "convert": Command(("convert", model, "--to", "tf1", "OUT/d"), "d"),
        "predict": Command(predict, "answers.jsonl", (*predict, "--seq_length", 5)),
        "vocab": Command(
            (*vocab, corpus, "--vocab_size", 500), "v.*", (*vocab, texts, "--vocab_size", 30)
        ),
        "data build": Command(
            ("data", "build", "--input", corpus, "--vocab", VOCAB, "--output_dir", "OUT/d",
             "--shards", 4, "--workers", 1, "--dupe_factor", 20),
            "d", resumes=True,
        ),
        "export lite": Command(("export", "lite", model, "OUT/d"), "d", varying=saved),
        "export task": Command(
            ("export", "task", model, "OUT/m", "--no_check"), "m/1", varying=saved
        ),
        "train": Command(tuple(train), "run", resumes=True, varying="checkpoint|.*.jsonl"),
        "export encoder": Command(
            ("export", "encoder", model, "OUT/d", "--no_check"), "d", varying=saved
        ),
    }  # fmt: skip


def start(words, out):
    """Starts a command in a child and returns its process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setsid()
        log = os.open(out.with_suffix(".log"), os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        tempfile.tempdir = str(out.with_suffix(".tmp"))
        os.makedirs(tempfile.tempdir, exist_ok=True)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            main.main([str(word).replace("OUT", str(out)) for word in words])
        except SystemExit as stop:
            status = stop.code
        except KeyboardInterrupt:  # Before the command has begun.
            status = STATUS[signal.SIGINT]
        sys.stdout.flush()
    finally:
        os._exit(status if isinstance(status, int) else 1)


def run(words, out):
    """Runs a command to its end; returns its status, and how long it took."""
    begin = time.monotonic()
    status = os.waitstatus_to_exitcode(os.waitpid(start(words, out), 0)[1])
    return status, time.monotonic() - begin


def stopped(words, out, number, seconds):
    """Runs a command that gets a signal after some seconds; returns its status."""
    child = start(words, out)
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def names(out):
    """Returns the names of the files and folders below a folder, without what is hidden."""
    return {str(path.relative_to(out)) for path in out.rglob("*")} - hidden(out)


def hidden(out):
    """Returns the names of temporary files and folders below a folder, and of what they contain."""
    paths = (path.relative_to(out) for path in out.rglob("*"))
    return {str(path) for path in paths if any(part.startswith(".") for part in path.parts)}


def different(out, other, command):
    """Returns the names of files and folders that two folders do not share, or that differ."""
    varying, found = re.compile(command.varying), set()
    for name in names(out) | names(other):
        one, two = out / name, other / name
        is_same = one.is_dir() and two.is_dir()
        if one.is_file() and two.is_file():
            is_same = varying.fullmatch(one.name) or filecmp.cmp(one, two, shallow=False)
        if not is_same and not one.name.startswith("events."):  # These have the time in the name.
            found.add(name)
    return found


def attempt(command, number, seconds, out, old, new):
    """Ends a run by a signal, and runs the command again; returns the state and the problems."""
    shutil.copytree(old, out)
    status = stopped(command.words, out, number, seconds)
    log, own, problems = out.with_suffix(".log"), out.with_suffix(".tmp"), []
    text = log.read_text(errors="replace")
    if status not in (0, STATUS[number]) or "Traceback" in text:
        problems.append(f"status {status}: {text[-1500:]}")
    state = "part" if command.resumes else "mixed"
    if not different(out, new, command):
        state = "new"
    elif not different(out, old, command):
        state = "old" if names(old) else "absent"
    elif not any(out.glob(command.result)):
        state = "absent"
    elif state == "mixed" and different(out, new, command) & different(out, old, command):
        problems.append(f"neither old nor new: {sorted(names(out))}")
    left = sorted(hidden(out))
    # TensorFlow removes the code that it generates when Python exits, which `start` leaves out.
    files = [name for name in os.listdir(own) if not name.startswith("__autograph_generated")]
    if number != signal.SIGKILL and left + files:
        problems.append(f"left behind: {left + files}")
    if state != "new" or names(old) or command.resumes:  # Other results are not overwritten.
        again, _ = run(command.words, out)
        if again:
            problems.append(f"the next run: {again}: {log.read_text()[-1500:]}")
        elif wrong := different(out, new, command) | hidden(out):
            problems.append(f"after the next run: {sorted(wrong)}")
    shutil.rmtree(out)
    shutil.rmtree(own)
    return state, problems, bool(left)


def check(numbers, count, seed, only=()):
    """Tries the commands in turn; prints a line for each, and returns the number of problems."""
    rng, count_of_problems = random.Random(seed), 0
    assert not context.context()._initialized, "TensorFlow has been used"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = {n: c for n, c in commands(folder).items() if not only or n in only}
        for index, (title, command) in enumerate(table.items()):
            new, old = folder / f"{index}.new", folder / f"{index}.old"
            old.mkdir()
            if command.old:
                status, _ = run(command.old, old)
                assert status == 0, old.with_suffix(".log").read_text()
            for out in (new, folder / f"{index}.again"):  # The first run is slower.
                shutil.copytree(old, out)
                status, seconds = run(command.words, out)
                assert status == 0, out.with_suffix(".log").read_text()
            assert not different(out, new, command), different(out, new, command)
            states, leftovers = Counter(), 0
            tries = range(index, count, len(table))
            for turn in range(len(tries)):
                number, moment = numbers[turn % len(numbers)], rng.uniform(0.02, 1) * seconds
                out = folder / f"{index}.{turn}"
                state, problems, left = attempt(command, number, moment, out, old, new)
                states[state] += 1
                leftovers += left
                for problem in problems:
                    print(f"{title}, {number.name} after {moment:.2f} s: {problem}", flush=True)
                count_of_problems += len(problems)
            print(
                f"{title} ({seconds:.1f} s), {len(tries)} times: {dict(states)}, {leftovers} with "
                "leftovers before the next run",
                flush=True,
            )
    return count_of_problems


def from_command_line(signals, count, seed="0", names=""):
    numbers = [signal.Signals[f"SIG{name}"] for name in signals.split(",")]
    return check(numbers, int(count), int(seed), names.split(",") if names else ())


if __name__ == "__main__":
    problems = from_command_line(*sys.argv[1:])
    print(f"{problems} problems")
    sys.exit(problems > 0)
