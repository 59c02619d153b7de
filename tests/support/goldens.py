"""The goldens in tests/testdata: their arrays, and how to compare outputs with them."""

import numpy as np
import tensorflow as tf

from tests.support.paths import TESTDATA

TOLERANCE = 1e-5


def io(name, file="io.npz", prefix=""):
    """Returns the inputs and outputs whose names start with `prefix`, named without it."""
    with np.load(TESTDATA / name / file) as arrays:
        return {k[len(prefix) :]: arrays[k] for k in arrays.files if k.startswith(prefix)}


def run(model, golden):
    """Returns the outputs of `model`, run as a graph, for the inputs of a golden."""
    features = {k: golden[k] for k in ("input_ids", "input_mask", "segment_ids")}
    if "mlm_positions" in golden:
        features["masked_lm_positions"] = golden["mlm_positions"]
    return tf.function(model)(features)


def difference(ours, theirs):
    """Returns the largest absolute difference; the shapes must be equal."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    return float(np.max(np.abs(ours - theirs)))
