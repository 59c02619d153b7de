"""A run that kills itself.

    python -m tests.support.killed_run FOLDER STEP SECONDS

It trains with the settings of runner_test.py and kills itself with SIGKILL, SECONDS after the
training loop has reached STEP.
"""

import sys

from tests.support.kill_at_step import killer
from tests.support.tiny_run import run

STEPS = 40
SETTINGS = {
    "TRAIN_STEPS": STEPS,
    "CHECKPOINT_INTERVAL": 4,
    # A resumed run must continue dropout masks as well as weights, slots and data.
    "model_config.ModelConfig.hidden_dropout_prob": 0.1,
    "model_config.ModelConfig.attention_probs_dropout_prob": 0.1,
}


if __name__ == "__main__":
    run(sys.argv[1], train_actions=[killer(*sys.argv[2:])], **SETTINGS)
