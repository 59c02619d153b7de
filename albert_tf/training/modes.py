"""What a run can do; the command line reads this without TensorFlow."""

MODES = ("train", "eval", "train_and_eval", "continuous_eval")
