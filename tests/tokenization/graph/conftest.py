"""Seeding for tests with in-graph tokenizers that several tests share."""

import random

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _seeded():
    """Seeds Python and NumPy, but not TensorFlow, which draws no random numbers here.

    tf.random.set_seed clears TensorFlow's kernel cache, and with it the SentencePiece models of
    tokenizers that were created before.
    """
    random.seed(0)
    np.random.seed(0)
