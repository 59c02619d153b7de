"""The goldens of tests/testdata: where they lie, their inputs, and how far outputs may be off."""

import numpy as np
import tensorflow as tf

from tests.support.paths import TESTDATA

TOLERANCE = 1e-5


def io(name, file="io.npz", prefix=""):
    """Inputs and outputs by name, those of `prefix` without it."""
    with np.load(TESTDATA / name / file) as arrays:
        return {k[len(prefix) :]: arrays[k] for k in arrays.files if k.startswith(prefix)}


def run(model, golden):
    """Outputs of `model` on the inputs of a golden, as a user of the graph gets them."""
    features = {k: golden[k] for k in ("input_ids", "input_mask", "segment_ids")}
    if "mlm_positions" in golden:
        features["masked_lm_positions"] = golden["mlm_positions"]
    return tf.function(model)(features)


def difference(ours, theirs):
    """The largest absolute difference; the shapes must agree."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    return float(np.max(np.abs(ours - theirs)))
