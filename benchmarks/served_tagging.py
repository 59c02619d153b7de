"""Compares served taggers that cut text at white space with those that find entities in raw text.

    python -m benchmarks.served_tagging [--base] [--rounds 7]

Both are exports of models with random weights. The requests have the same words: for the texts
"spaced" white space is around punctuation too, so that both rules cut the same words; "plain" texts
are those that people send, of which the rule for raw text makes more words. The two take turns.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from albert_tf import presets
from albert_tf.tokenization import words
from benchmarks import interleaved, machine
from tests.support import served_tasks, tiny_task
from tests.support.paths import TESTDATA

_BATCHES = (1, 32)
_SENTENCE = (
    "The object, which is a list of files from Python (see line 3), has one file with this line. "
)


def main() -> None:
    """Prints the texts per second of both kinds, and the ratio within each round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", action="store_true", help="a model of base size")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each (default: 7)")
    args = parser.parse_args()
    sizes = tiny_task.MODEL
    if args.base:
        base = dataclasses.asdict(presets.get("albert_base_v2").config)
        sizes = {name: base[name] for name in tiny_task.MODEL} | {"vocab_size": 1000}
    host = machine.describe()
    print(f"{host['processor']}, {host['cores']} cores")
    print(
        "| texts | rows | white space, texts/s | entities, texts/s | ratio |\n|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        models = {
            kind: served_tasks.export(kind, TESTDATA, Path(folder, kind), length=64, sizes=sizes)
            for kind in ("tagging", "entities")
        }
        plain = _SENTENCE * 4
        spaced = " ".join(plain[slice(*place)] for place in words.spans(plain, "unicode"))
        for name, text in (("spaced", spaced), ("plain", plain)):
            for rows in _BATCHES:
                texts = tf.constant([text] * rows)
                calls = {
                    kind: lambda run=served.model.signatures["serving_default"], texts=texts: [
                        value.numpy() for value in run(text=texts).values()
                    ]
                    for kind, served in models.items()
                }
                seconds = interleaved.measure(calls, args.rounds, 1 if args.base else 20)
                ratio = np.median(np.divide(seconds["tagging"], seconds["entities"]))
                rates = (f"{rows / statistics.median(s):.1f}" for s in seconds.values())
                print(f"| {name} | {rows} | {' | '.join(rates)} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
