"""Profiles a request to an exported encoder by type of operation.

    python -m benchmarks.op_times [--shape 1x128] [--rounds 20] [--threads 1]
        [--precision int8]

TensorFlow traces when each operation of the signature `tokens` starts and ends. The table lists the
types of operations by their time in a call, as the median over all rounds. "between operations" is
the remaining time of the call: scheduling, and returning the outputs. Tracing itself takes time, so
a call is slower here than in other benchmarks.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from albert_tf.modeling.precision import PRECISIONS  # noqa: E402
from benchmarks import artefacts, machine, model_size, traffic  # noqa: E402

# Operations that call functions. The operations in the functions are traced one by one.
CALLERS = {"PartitionedCall", "StatefulPartitionedCall", "RemoteCall"}


def main() -> None:
    """Prints the table, in Markdown."""
    parser = model_size.parser(__doc__)
    parser.add_argument(
        "--shape",
        default="1x128",
        choices=traffic.SHAPES,
        help="batch size x length in tokens (default: %(default)s)",
    )
    parser.add_argument(
        "--rounds", type=int, default=20, help="number of calls (default: %(default)s)"
    )
    parser.add_argument(
        "--top", type=int, default=8, help="types of operations to list (default: %(default)s)"
    )
    parser.add_argument(
        "--precision",
        default="float32",
        choices=PRECISIONS,
        help="precision of the products (default: %(default)s)",
    )
    parser.add_argument("--threads", type=int, help="number of cores to use (default: all)")
    args = parser.parse_args()
    if args.threads is not None:
        machine.use_cores(args.threads)
    config = model_size.config(args)
    batch = traffic.batch(traffic.SHAPES[args.shape], config.vocab_size)
    with tempfile.TemporaryDirectory() as folder:
        artefacts.hub(config, Path(folder))
        module = "hub"
        if args.precision != "float32":
            artefacts.hub_reduced(Path(folder), args.precision)
            module = f"hub_{args.precision}"
        rounds = _measure(Path(folder) / module, batch, args.rounds)
    kinds = Counter({kind: _median(rounds, kind) for kind in set().union(*rounds)})
    whole = kinds.pop("call")
    kinds["between operations"] = max(0.0, whole - kinds.total())
    cores = machine.describe()["cores"]
    print(
        f"{args.preset}, {args.precision}, {args.shape}, {cores} cores: "
        f"{1000 * whole:.1f} ms per call\n"
    )
    print("| operations | ms | share |\n|---|---|---|")
    listed = kinds.most_common(args.top)
    listed.append(("all others", kinds.total() - sum(seconds for _, seconds in listed)))
    for kind, seconds in listed:
        print(f"| {kind} | {1000 * seconds:.2f} | {seconds / whole:.1%} |")


def _median(rounds: list[Counter], kind: str) -> float:
    return statistics.median(seconds[kind] for seconds in rounds)


def _measure(path: Path, batch: Mapping[str, np.ndarray], rounds: int) -> list[Counter]:
    """Returns the seconds of each type of operation, and of the whole "call", in each round."""
    result = []
    v1 = tf.compat.v1
    options = v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE)
    with tf.Graph().as_default(), v1.Session() as session:
        signature = v1.saved_model.load(session, ["serve"], str(path)).signature_def["tokens"]
        outputs = [tensor.name for tensor in signature.outputs.values()]
        feed = {signature.inputs[name].name: value for name, value in batch.items()}
        for _ in range(3):
            session.run(outputs, feed)
        for _ in range(rounds):
            metadata = v1.RunMetadata()
            begin = time.perf_counter()
            session.run(outputs, feed, options=options, run_metadata=metadata)
            result.append(Counter(call=time.perf_counter() - begin))
            for device in metadata.step_stats.dev_stats:
                for node in device.node_stats:
                    kind = node.timeline_label.split(" = ")[-1].split("(")[0]
                    if kind not in CALLERS:
                        spent = node.op_end_rel_micros - node.op_start_rel_micros
                        result[-1][kind] += spent / 1e6
    return result


if __name__ == "__main__":
    main()
