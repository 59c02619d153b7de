"""Compares speed and memory of `albert-tf data build` on one core with the original script.

    python -m benchmarks.pretraining_data [--megabytes 5 50] [--rounds 3]

The text is the documentation of installed packages. Larger sizes repeat it with one word in ten
replaced by a random one, so that no two copies are equal. Each build runs in its own process, bound
to one core. Times are those of `build` without imports, both as wall time and as processor time,
on which other programs have less influence. Memory is the peak of the process, including imports.
The record formats take turns, so that a drift of the machine affects all alike.

The original (create_pretraining_data.py on TensorFlow 1.15) was measured once with the same
vocabulary of 1000 pieces, length 64, 10 predictions and one copy: 1.049 MB in 9.04 s. Its memory
grew by 45 MB per MB of text with two copies.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

VOCAB = Path(__file__).parents[1] / "tests/testdata/tokenization/spm.model"
ORIGINAL_RATE = 1.049 / 9.04  # MB/s
GOALS = {"dynamic": 20, "original": 10}  # by record format, relative to the original's rate
BASE_MEGABYTES = 5


def main() -> None:
    """Runs the builds and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--megabytes",
        type=int,
        nargs="+",
        default=[5, 50],
        help="sizes of the text in MB (default: 5 50)",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=3,
        help="builds of each format and size (default: %(default)s)",
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        texts = write_texts(Path(folder), sorted(args.megabytes))
        results: dict[tuple[str, int], list[dict[str, float]]] = {}
        for turn in range(args.rounds):
            for size, text in texts.items():
                for form in GOALS:
                    out = Path(folder) / f"{form}-{size}-{turn}"
                    results.setdefault((form, size), []).append(run_child(text, out, form))
    print(table(results))


def write_texts(folder: Path, sizes: list[int]) -> dict[int, Path]:
    """Writes a text file for each size in MB and returns the paths."""
    from albert_tf.quickstart.docstrings import write_corpus

    write_corpus(folder / "base.txt", folder / "rest.txt", max_bytes=BASE_MEGABYTES * 1_200_000)
    lines = (folder / "base.txt").read_text().split("\n")
    words = [word for line in lines for word in line.split()]
    rng = random.Random(7)
    texts = {size: folder / f"{size}.txt" for size in sizes}
    for size, path in texts.items():
        left, copy = size * 1_000_000, 0
        with open(path, "w") as file:
            while left > 0:
                for line in lines:
                    if copy:
                        line = " ".join(
                            rng.choice(words) if rng.random() < 0.1 else word
                            for word in line.split()
                        )
                    left -= file.write(line + "\n")
                    if left <= 0:
                        break
                copy += 1
    return texts


def run_child(text: Path, out: Path, form: str) -> dict[str, float]:
    """Runs a build in a new process and returns its measurements."""
    command = [sys.executable, "-c", CHILD, str(text), str(VOCAB), str(out), form]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


CHILD = """
import json, os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
import tensorflow as tf
from albert_tf.pretraining.records.build_settings import BuildSettings
from albert_tf.pretraining.records.pretraining_data import build
text, vocab, out, form = sys.argv[1:]
masks = {} if form == "dynamic" else {"max_predictions_per_seq": 10}
settings = BuildSettings(max_seq_length=64, dupe_factor=1, record_format=form, **masks)
clock, processor = time.perf_counter(), time.process_time()
counts = build(text, vocab, out, settings)["counts"]
status = open("/proc/self/status").read().split()
print(json.dumps({
    "megabytes": os.path.getsize(text) / 1e6,
    "seconds": time.perf_counter() - clock,
    "processor_seconds": time.process_time() - processor,
    "peak": int(status[status.index("VmHWM:") + 1]) / 1024,
    "instances": counts["instances"],
}))
"""


def table(results: dict[tuple[str, int], list[dict[str, float]]]) -> str:
    """Returns median rates in MB/s on one core, ratios to the original, and peak memory in MiB."""
    lines = [
        f"original script: {ORIGINAL_RATE:.3f} MB/s; albert-tf data build, on one core:",
        f"{'':<10}{'':>4}{'wall time':>21}{'':>10}  {'CPU time':>16}",
        f"{'records':<10}{'MB':>4}{'MB/s':>7}{'min':>7}{'max':>7}{'ratio':>10}"
        f"{'MB/s':>9}{'ratio':>9}{'goal':>7}{'peak MiB':>10}",
    ]
    for (form, size), runs in sorted(results.items()):
        rates = [run["megabytes"] / run["seconds"] for run in runs]
        work = statistics.median(run["megabytes"] / run["processor_seconds"] for run in runs)
        rate, peak = statistics.median(rates), max(run["peak"] for run in runs)
        lines.append(
            f"{form:<10}{size:>4}{rate:>7.2f}{min(rates):>7.2f}{max(rates):>7.2f}"
            f"{rate / ORIGINAL_RATE:>10.1f}{work:>9.2f}{work / ORIGINAL_RATE:>9.1f}"
            f"{GOALS[form]:>7}{peak:>10.0f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
