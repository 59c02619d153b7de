import numpy as np
import pytest

from albert_tf.tokenization import windows


@pytest.mark.parametrize(
    ("length", "capacity", "stride", "expected"),
    [
        (0, 4, 2, [(0, 0)]),
        (4, 4, 2, [(0, 4)]),
        (5, 4, 3, [(0, 4), (3, 5)]),
        (9, 4, 2, [(0, 4), (2, 6), (4, 8), (6, 9)]),
        (9, 4, 7, [(0, 4), (4, 8), (8, 9)]),  # No token is left out.
    ],
)
def test_windows_cover_a_text(length, capacity, stride, expected):
    assert list(windows.parts(length, capacity, stride)) == expected


def test_each_window_repeats_the_shorter_text():
    long, short = list(range(10, 19)), [1, 2]
    expected = [[10, 11, 12, 13], [13, 14, 15, 16], [16, 17, 18]]
    assert list(windows.of_segments([long, short], 6, 3)) == [[part, short] for part in expected]
    assert list(windows.of_segments([short, long], 6, 3)) == [[short, part] for part in expected]
    assert list(windows.of_segments([long], 4, 3)) == [[part] for part in expected]


def test_texts_that_fit_are_one_window():
    assert list(windows.of_segments([[1, 2, 3], [4, 5]], 5, 1)) == [[[1, 2, 3], [4, 5]]]
    assert list(windows.of_segments([[], []], 5, 1)) == [[[], []]]


def test_a_shorter_text_takes_at_most_half_of_a_window():
    first, second = list(range(10, 17)), list(range(20, 27))
    rows = list(windows.of_segments([first, second], 6, 3))
    # Of two texts of the same length, the second one is cut into windows.
    assert rows == [[[10, 11, 12], second[i : i + 3]] for i in (0, 3, 6)]
    assert np.max([len(a) + len(b) for a, b in rows]) == 6
