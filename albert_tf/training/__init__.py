"""Training runs: configuration, optimization, the training loop and checkpoints."""

# Here so that the command line can read it without importing TensorFlow.
MODES = ("train", "eval", "train_and_eval", "continuous_eval")
