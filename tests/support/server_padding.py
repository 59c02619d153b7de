"""Batches as TensorFlow Serving makes them of requests that differ in length."""

import numpy as np


def batched(arrays):
    """One input of several requests, with `pad_variable_length_inputs`.

    The server pads every axis but the first with the first element of each request's tensor
    (batching_util.cc).
    """
    sizes = np.max([np.shape(array)[1:] for array in arrays], axis=0)
    return np.concatenate([_padded(np.asarray(array), sizes) for array in arrays])


def _padded(array, sizes):
    widths = [(0, 0), *((0, size - own) for size, own in zip(sizes, array.shape[1:]))]
    return np.pad(array, widths, constant_values=array.flat[0])
