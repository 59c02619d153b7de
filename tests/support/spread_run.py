"""Fine-tuning runs that use two devices and micro-batches, or are killed and resumed.

    python -m tests.support.spread_run FOLDER STEP SECONDS    # a run that kills itself
    python -m tests.support.spread_run FOLDER                 # resumes it, then does the others

It writes the final weights of each run to FOLDER/NAME.npz and prints the final metrics.
"""

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from albert_tf import train_lib
from albert_tf.training import gin_files
from tests.support import (
    conll_file,
    tiny_task,
)
from tests.support.kill_at_step import killer

STEPS = 10
SETTINGS = {
    **{f"model_config.ModelConfig.{name}": value for name, value in tiny_task.MODEL.items()},
    **dict(FROM_SCRATCH=True, VOCAB=tiny_task.VOCAB, SEQ_LENGTH=16, BATCH_SIZE=12),
    **dict(TRAIN_STEPS=STEPS, WARMUP_STEPS=1, LEARNING_RATE=0.01, SUMMARY_INTERVAL=1),
    **dict(EVAL_INTERVAL=4, CHECKPOINT_INTERVAL=2, DROPOUT=0.0, CLASSIFIER_DROPOUT=0.0),
}
# A resumed run must continue dropout masks as well as weights, slots and data. Each replica has
# masks of its own.
DROPOUT = dict(DROPOUT=0.1, CLASSIFIER_DROPOUT=0.1)


def run(folder, name, actions=(), recipe="finetune_conll2003", **changes):
    """Trains, writes the final weights, and returns the final metrics."""
    bound = [f"{key}={value}" for key, value in {**SETTINGS, **changes}.items()]
    gin_files.parse([recipe], bound)
    metrics = gin_files.configured(train_lib.run)(
        mode="train_and_eval", model_dir=folder / name, train_actions=actions
    )
    reader = tf.train.load_checkpoint(str(folder / name))
    weights = {
        key: reader.get_tensor(key)
        for key in reader.get_variable_to_shape_map()
        if key.startswith(("model/", "encoder/")) and "OPTIMIZER_SLOT" not in key
    }
    np.savez(folder / f"{name}.npz", **{key.replace("/", "|"): v for key, v in weights.items()})
    return metrics


def documents(folder):
    """Writes tables of documents with different numbers of windows, and returns the settings."""
    for name, count in (("long_train", 26), ("long_dev", 7)):
        rows = [f"{' the file' * (7 * i % 31)} list,{'ab'[i % 2]}" for i in range(count)]
        (folder / f"{name}.csv").write_text("\n".join(["text,label", *rows]))
    files = dict(TRAIN_DATA=folder / "long_train.csv", EVAL_DATA=folder / "long_dev.csv")
    return dict(files, WINDOWS="mean", DOC_STRIDE=9, MAX_WINDOWS=5)


def pairs(folder):
    """Writes tables of pairs with hard negatives, many of which share texts, and the settings."""
    words = ["file", "list", "object", "line", "string", "data", "path"]
    seconds = [f"the {words[i % 5]}{' in' * (i % 3)} {words[i % 7]}" for i in range(31)]
    for name, count in (("pairs_train", 31), ("pairs_dev", 9)):
        lines = [
            f"{words[i % 7]} {words[i % 2]},{seconds[i]},"
            + ("" if i % 4 else seconds[(i + 14) % 31])  # Of the same first text.
            for i in range(count)
        ]
        (folder / f"{name}.csv").write_text("\n".join(["text,second_text,other", *lines]))
    files = dict(TRAIN_DATA=folder / "pairs_train.csv", EVAL_DATA=folder / "pairs_dev.csv")
    # Each further step enlarges the differences of rounding.
    return dict(files, NEGATIVE="other", DIMENSIONS="[32,8]", TRAIN_STEPS=5)


def main(folder, *kill):
    folder = Path(folder)
    files = dict(
        TRAIN_DATA=conll_file.write(folder / "train.txt", 30, 1),
        EVAL_DATA=conll_file.write(folder / "dev.txt", 9, 2),
    )
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    if kill:
        run(folder, "killed", [killer(*kill)], **files, **DROPOUT)
    names = {
        "alone": {},
        "spread": dict(STRATEGY="mirrored", ACCUMULATION_STEPS=3),
        "undisturbed": DROPOUT,
        "killed": DROPOUT,
    }
    metrics = {name: run(folder, name, **files, **changes) for name, changes in names.items()}
    for name, split in (("windows", {}), ("windows_spread", names["spread"])):
        metrics[name] = run(folder, name, recipe="finetune_table", **documents(folder), **split)
    for name, split in (("pairs", {}), ("pairs_spread", names["spread"])):
        metrics[name] = run(folder, name, recipe="finetune_pairs", **pairs(folder), **split)
    print(json.dumps(metrics))


if __name__ == "__main__":
    main(*sys.argv[1:])
