"""Fine-tuning that is spread over two devices and micro-batches, or stopped on its way.

    python spread_run.py FOLDER

It writes the weights that each run ends with to FOLDER/NAME.npz, and prints their last metrics.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import conll_file  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tiny_task  # noqa: E402

from albert_tf import train_lib  # noqa: E402
from albert_tf.training import gin_files  # noqa: E402

STEPS = 4
SETTINGS = {
    **{f"model_config.ModelConfig.{name}": value for name, value in tiny_task.MODEL.items()},
    **dict(FROM_SCRATCH=True, VOCAB=tiny_task.VOCAB, SEQ_LENGTH=16, BATCH_SIZE=12),
    **dict(TRAIN_STEPS=STEPS, WARMUP_STEPS=1, LEARNING_RATE=0.01),
    **dict(EVAL_INTERVAL=2, SUMMARY_INTERVAL=1, CLASSIFIER_DROPOUT=0.0),
}


class Stopped(Exception):
    """Stands for whatever ends a process."""


def stop(_):
    if int(tf.summary.experimental.get_step()) == STEPS - 1:
        raise Stopped


def run(folder, name, actions=(), **changes):
    """Returns the last metrics, after writing the weights."""
    bound = [f"{key}={value}" for key, value in {**SETTINGS, **changes}.items()]
    gin_files.parse(["finetune_conll2003"], bound)
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


def main(folder):
    folder = Path(folder)
    files = dict(
        TRAIN_DATA=conll_file.write(folder / "train.txt", 30, 1),
        EVAL_DATA=conll_file.write(folder / "dev.txt", 9, 2),
    )
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    spread = dict(STRATEGY="mirrored", ACCUMULATION_STEPS=3)
    metrics = {"alone": run(folder, "alone", **files)}
    metrics["spread"] = run(folder, "spread", **spread, **files)
    try:
        run(folder, "stopped", [stop], **files)
    except Stopped:
        metrics["stopped"] = run(folder, "stopped", **files)
    print(json.dumps(metrics))


if __name__ == "__main__":
    main(*sys.argv[1:])
