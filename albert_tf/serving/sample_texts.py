"""Sample texts that verify an export against `albert-tf predict`, and padding of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from albert_tf.serving.signatures import Spec

# Rows of different lengths, with characters that the rules for text treat specially.
TEXTS = ("[MASK] Hello!", "[MASK][MASK] Café NAÏVE: 1,000 and 2, 3", "[MASK] ΣΑΣ ﬁ Ａ " * 9)
SECOND_TEXTS = ("a second text", "and another one, longer than the first of all " * 10, "1,000")


def padded(rows: Sequence[Any], spec: Spec) -> np.ndarray:
    """Returns nested lists of different lengths as one array, padded with 0 or "".

    Args:
      rows: a value, a list or a list of lists for each row.
      spec: the spec of the output; only its dtype is used.
    """
    is_text = spec.dtype.name == "string"
    arrays = [np.asarray(_encoded(row) if is_text else row) for row in rows]
    dtype = np.result_type(*arrays) if is_text else spec.dtype.as_numpy_dtype
    sizes = np.max([array.shape for array in arrays], axis=0, initial=0)
    result = np.zeros([len(rows), *sizes.astype(int)], dtype)
    for index, array in enumerate(arrays):
        result[(index, *map(slice, array.shape))] = array
    return result


def _encoded(value: Any) -> Any:
    return [_encoded(v) for v in value] if isinstance(value, (list, tuple)) else value.encode()
