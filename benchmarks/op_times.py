"""Where the time of a request to an exported encoder goes, by kind of operation.

    python -m benchmarks.op_times [--shape 1x128] [--rounds 20]

TensorFlow tells when each operation of the signature `tokens` begins and ends. Kinds are listed by
the time they take in a call, the median of the rounds; "between operations" is what is left of the
call: handing over from one to the next, and returning the outputs. Telling costs time of its own,
so a call takes longer here than elsewhere.
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

from benchmarks import artefacts, model_size, traffic  # noqa: E402

# They call functions, whose operations are told one by one.
CALLERS = {"PartitionedCall", "StatefulPartitionedCall", "RemoteCall"}


def main() -> None:
    """Prints the table, in Markdown."""
    parser = model_size.parser(__doc__)
    parser.add_argument("--shape", default="1x128", choices=traffic.SHAPES, help="(%(default)s)")
    parser.add_argument("--rounds", type=int, default=20, help="(%(default)s)")
    parser.add_argument("--top", type=int, default=8, help="kinds to list (%(default)s)")
    args = parser.parse_args()
    config = model_size.config(args)
    batch = traffic.batch(traffic.SHAPES[args.shape], config.vocab_size)
    with tempfile.TemporaryDirectory() as folder:
        artefacts.hub(config, Path(folder))
        rounds = _measure(Path(folder) / "hub", batch, args.rounds)
    kinds = Counter({kind: _median(rounds, kind) for kind in set().union(*rounds)})
    whole = kinds.pop("call")
    kinds["between operations"] = max(0.0, whole - kinds.total())
    print(f"{args.preset}, {args.shape}: {1000 * whole:.1f} ms a call\n")
    print("| operations | ms | share |\n|---|---|---|")
    listed = kinds.most_common(args.top)
    listed.append(("all others", kinds.total() - sum(seconds for _, seconds in listed)))
    for kind, seconds in listed:
        print(f"| {kind} | {1000 * seconds:.2f} | {seconds / whole:.1%} |")


def _median(rounds: list[Counter], kind: str) -> float:
    return statistics.median(found[kind] for found in rounds)


def _measure(path: Path, batch: Mapping[str, np.ndarray], rounds: int) -> list[Counter]:
    """Returns the seconds of each kind of operation, and of the "call", round by round."""
    found = []
    v1 = tf.compat.v1
    options = v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE)
    with tf.Graph().as_default(), v1.Session() as session:
        signature = v1.saved_model.load(session, ["serve"], str(path)).signature_def["tokens"]
        outputs = [tensor.name for tensor in signature.outputs.values()]
        feed = {signature.inputs[name].name: value for name, value in batch.items()}
        for _ in range(3):
            session.run(outputs, feed)
        for _ in range(rounds):
            told = v1.RunMetadata()
            begin = time.perf_counter()
            session.run(outputs, feed, options=options, run_metadata=told)
            found.append(Counter(call=time.perf_counter() - begin))
            for device in told.step_stats.dev_stats:
                for node in device.node_stats:
                    kind = node.timeline_label.split(" = ")[-1].split("(")[0]
                    if kind not in CALLERS:
                        spent = node.op_end_rel_micros - node.op_start_rel_micros
                        found[-1][kind] += spent / 1e6
    return found


if __name__ == "__main__":
    main()
