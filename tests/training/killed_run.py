"""A run that kills itself.

    python killed_run.py FOLDER STEP SECONDS

It trains with the settings of runner_test.py; SECONDS after the loop that ends at STEP, wherever it
is then, it gets SIGKILL.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from killing import killer  # noqa: E402
from tiny_run import run  # noqa: E402

STEPS = 40
SETTINGS = {
    "TRAIN_STEPS": STEPS,
    "CHECKPOINT_INTERVAL": 4,
    # Masks of dropout must go on as well as weights, slots and data.
    "model_config.ModelConfig.hidden_dropout_prob": 0.1,
    "model_config.ModelConfig.attention_probs_dropout_prob": 0.1,
}


if __name__ == "__main__":
    run(sys.argv[1], train_actions=[killer(*sys.argv[2:])], **SETTINGS)
