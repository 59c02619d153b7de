"""Instances with random words, in the form of the masking graph and in that of masking.py."""

import numpy as np
import tensorflow as tf

from albert_tf.pretraining.masking import masking
from albert_tf.pretraining.masking.dynamic_masking import mask

VOCAB_SIZE = 900
ROWS, WIDTH = 6007, 43


def draw_layout(rng, text):
    """Returns the lengths of the segments and of the units of an instance with `text` tokens."""
    first = int(rng.integers(1, text))
    units = []
    for left in (first, text - first):
        while left:
            units.append(min(left, int(rng.choice([1, 2, 3, 9], p=[0.6, 0.25, 0.1, 0.05]))))
            left -= units[-1]
    return [first + 2, text - first + 1], units


class Instances:
    """Instances with the given layouts, in both forms."""

    def __init__(self, layouts, seed=0):
        rng = np.random.default_rng(seed)
        rows = len(layouts)
        self.segments = np.array([segments for segments, _ in layouts], np.int32)
        self.units = np.zeros((rows, max(len(units) for _, units in layouts)), np.int32)
        self.ids = np.zeros((rows, WIDTH), np.int32)
        self.maskable = np.zeros((rows, WIDTH), bool)
        self.begins = np.zeros((rows, WIDTH), bool)
        for row, ((first, second), units) in enumerate(layouts):
            length = first + second
            self.units[row, : len(units)] = units
            self.ids[row, :length] = rng.integers(5, VOCAB_SIZE, length)
            self.ids[row, [0, first - 1, length - 1]] = 2, 3, 3
            self.maskable[row, 1 : length - 1] = True
            self.maskable[row, first - 1] = False
            text = np.flatnonzero(self.maskable[row])
            self.begins[row, text[np.cumsum([0, *units])[:-1]]] = True

    def masked(self, settings, seed):
        """Returns the output of the graph as NumPy arrays."""
        inputs = (tf.constant(x) for x in (self.ids, self.segments, self.units))
        out = mask(*inputs, settings, VOCAB_SIZE, tf.constant(seed, tf.int64))
        return type(out)(*(x.numpy() for x in out))

    def chosen(self, out):
        """Returns which tokens are predicted, bool [B, S]."""
        chosen = np.zeros_like(self.maskable)
        rows, slots = np.nonzero(out.weights)
        chosen[rows, out.positions[rows, slots]] = True
        return chosen

    def expected(self, settings):
        """Returns the choice of masking.py: the tokens, bool [B, S], and its n-gram counts."""
        budget = masking.budgets(self.maskable, settings)
        rng = np.random.default_rng(1)
        return masking.choose(self.maskable, self.begins, budget, settings, rng)


def draw_instances():
    """Returns instances of many different lengths."""
    rng = np.random.default_rng(3)
    return Instances([draw_layout(rng, int(rng.integers(5, WIDTH - 2))) for _ in range(ROWS)])


def standard_error(share, count):
    return np.sqrt(share * (1 - share) / count)
