"""A run that kills itself.

    python killed_run.py FOLDER STEP SECONDS

It trains with the settings of runner_test.py; SECONDS after the loop that ends at STEP, wherever it
is then, it gets SIGKILL.
"""

import os
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import tensorflow as tf  # noqa: E402
from tiny_run import run  # noqa: E402

STEPS = 40
SETTINGS = {
    "TRAIN_STEPS": STEPS,
    "CHECKPOINT_INTERVAL": 4,
    # Masks of dropout must go on as well as weights, slots and data.
    "model_config.ModelConfig.hidden_dropout_prob": 0.1,
    "model_config.ModelConfig.attention_probs_dropout_prob": 0.1,
}


def main(folder: str, step: str, seconds: str) -> None:
    def die(_: object) -> None:
        if int(tf.summary.experimental.get_step()) == int(step):
            threading.Timer(float(seconds), os.kill, (os.getpid(), signal.SIGKILL)).start()

    run(folder, train_actions=[die], **SETTINGS)


if __name__ == "__main__":
    main(*sys.argv[1:])
