"""Pads and batches requests of different lengths in the same way as TensorFlow Serving."""

import numpy as np


def batched(arrays):
    """Batches an input of several requests as with `pad_variable_length_inputs`.

    The server pads every axis except the first with the first element of each request's tensor
    (batching_util.cc).
    """
    sizes = np.max([np.shape(array)[1:] for array in arrays], axis=0)
    return np.concatenate([_padded(np.asarray(array), sizes) for array in arrays])


def _padded(array, sizes):
    widths = [(0, 0), *((0, size - own) for size, own in zip(sizes, array.shape[1:]))]
    return np.pad(array, widths, constant_values=array.flat[0])
