"""Runs: configuration, optimization, the training loop, checkpoints."""

# The command line reads this without TensorFlow.
MODES = ("train", "eval", "train_and_eval", "continuous_eval")
