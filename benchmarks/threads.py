"""Measures how latency and throughput of an exported encoder depend on threads and processes.

    python -m benchmarks.threads [--shape 8x128] [--rounds 5]

For latency, processes with different numbers of intra-op and inter-op threads take turns. For
throughput, one process that uses all cores is compared with one single-threaded process per core.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import artefacts, interleaved, model_size, traffic
from benchmarks.systems import Bind, saved_model
from benchmarks.worker import Worker, in_process

CORES = len(os.sched_getaffinity(0))
SETTINGS = {
    "default": {},
    f"intra-op {CORES}, inter-op 1": {"intra": CORES, "inter": 1},
    "intra-op 1, inter-op 1": {"intra": 1, "inter": 1},
}


def load(folder: Path, intra: int = 0, inter: int = 0) -> Bind:
    """Loads the system `albert_tf` with these numbers of threads; 0 is TensorFlow's default."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(intra)
    tf.config.threading.set_inter_op_parallelism_threads(inter)
    return saved_model(folder)


def main() -> None:
    """Prints both tables."""
    parser = model_size.parser_of_a_batch(__doc__)
    args = parser.parse_args()
    config = model_size.config(args)
    batch = traffic.batch(traffic.SHAPES[args.shape], config.vocab_size)
    with tempfile.TemporaryDirectory() as folder:
        in_process(artefacts.hub, config, Path(folder))

        def worker(**threads: int) -> Worker:
            result = Worker(functools.partial(load, **threads), Path(folder))
            result.bind(batch)
            return result

        alone = {name: worker(**threads) for name, threads in SETTINGS.items()}
        parallel = [worker(intra=1, inter=1) for _ in range(CORES)]
        one = {name: functools.partial(process.run, 1) for name, process in alone.items()}
        title = f"one request of {args.shape} at a time"
        print(interleaved.table(title, interleaved.measure(one, args.rounds, args.calls)))
        servers = {
            "one process, all cores": _at_once([alone["default"]], args.calls * CORES),
            f"{CORES} processes, one thread each": _at_once(parallel, args.calls),
        }
        title = f"{args.calls * CORES} requests of {args.shape}"
        print(interleaved.table(title, interleaved.measure(servers, args.rounds, 1)))
        for process in (*alone.values(), *parallel):
            process.stop()


def _at_once(workers: list[Worker], calls: int) -> Callable[[], list[float]]:
    """Returns a function that runs `calls` calls in each worker, all workers in parallel."""
    pool = ThreadPoolExecutor(len(workers))
    return lambda: list(pool.map(lambda worker: worker.run(calls), workers))


if __name__ == "__main__":
    main()
