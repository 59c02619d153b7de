"""A small model of each public class with heads, and a batch of inputs for it."""

import dataclasses

import numpy as np

from albert_tf import AlbertPretrainer
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.fill_mask.model import AlbertMaskedLM
from albert_tf.tasks.multiple_choice.model import AlbertMultipleChoice
from albert_tf.tasks.question_answering.joint_model import AlbertJointSpanLabeler
from albert_tf.tasks.question_answering.model import AlbertSpanLabeler
from albert_tf.tasks.tagging.model import AlbertTokenClassifier
from tests.support.small_config import SMALL

B, C, S, P = 2, 4, 7, 3
CONFIG = dataclasses.replace(SMALL, num_hidden_groups=2, inner_group_num=2)
# The arguments of each class, each different from its default.
MODELS = {
    AlbertPretrainer: dict(recompute=True),
    AlbertClassifier: dict(labels=["bad", "good", "so so"], dropout_rate=0.3),
    AlbertTokenClassifier: dict(labels=["O", "B-PER"], dropout_rate=0.3),
    AlbertSpanLabeler: dict(dropout_rate=0.3),
    AlbertJointSpanLabeler: dict(start_n_top=2, end_n_top=3, dropout_rate=0.3),
    AlbertMultipleChoice: dict(dropout_rate=0.3),
    AlbertMaskedLM: dict(dropout_rate=0.3),
}


def make(cls, **changes):
    """Returns a model with random values in every variable, so that a lost one shows."""
    model = cls(CONFIG, **{**MODELS[cls], **changes})
    randomize(model)
    return model


def randomize(model):
    """Sets every variable to random values."""
    rng = np.random.default_rng(1)
    for variable in model.variables:
        center = 1.0 if "gamma" in variable.name else 0.0
        variable.assign(rng.normal(center, 0.3, variable.shape).astype(variable.dtype.name))


def batch(cls):
    """Returns inputs for a class, with the positions and labels of a batch."""
    rng = np.random.default_rng(2)
    shape = [B, C, S] if cls is AlbertMultipleChoice else [B, S]
    mask = np.ones(shape, np.int32)
    mask[1, ..., 5:] = 0
    features = dict(
        input_word_ids=rng.integers(0, CONFIG.vocab_size, shape).astype(np.int32),
        input_mask=mask,
        input_type_ids=np.broadcast_to([0, 0, 1, 1, 1, 0, 0], shape).astype(np.int32),
    )
    if cls in (AlbertPretrainer, AlbertMaskedLM):
        features["masked_lm_positions"] = rng.integers(0, S, [B, P]).astype(np.int32)
    return features
