import pytest

from albert_tf.quickstart.docstring_prose import is_prose, plain, sentences

NUMPY = """Return the mean of `a` along an axis.

    The mean is the sum divided by the number of elements, see :func:`~numpy.sum`.

    Parameters
    ----------
    a : array_like
        Array that holds the numbers to average.
    axis : int, optional
        Axis along which the mean is taken.

    See Also
    --------
    median : The middle of the sorted values of an array.

    Notes
    -----
    .. versionadded:: 1.7
       This line belongs to the directive and goes.

    .. note::
       The mean of **nothing** is not a number [1]_.

    Examples
    --------
    >>> mean([1, 2])
    This is output and it is not prose.

    The next call gives the same::

        mean(x) is the mean of all the values.

    References
    ----------
    .. [1] Somebody wrote this in a book of the past.
    """

GOOGLE = """Loads the table from a file.

    ```python
    This is the code and not a sentence.
    ```

    Args:
      path (str): The file that holds the table.
      strict: If true, a row of another length is an error.

    Returns:
      A table with the rows of the file. See [the guide](https://example.org/x).
    """

SPHINX = """Open the door of the house.

    :param key: the key that fits into the lock
    :type key: this is the type of the key
    :returns: True if the door is open.

    * first you turn the key in the lock
    * then you push the door open

    ===== =====
    a     the table is not prose at all
    ===== =====
    """


@pytest.mark.parametrize(
    "docstring, expected",
    [
        (
            NUMPY,
            [
                "Return the mean of a along an axis.",
                "The mean is the sum divided by the number of elements, see sum.",
                "Array that holds the numbers to average.",
                "Axis along which the mean is taken.",
                "The mean of nothing is not a number.",
                "The next call gives the same:",
            ],
        ),
        (
            GOOGLE,
            [
                "Loads the table from a file.",
                "The file that holds the table.",
                "If true, a row of another length is an error.",
                "A table with the rows of the file.",
                "See the guide.",
            ],
        ),
        (
            SPHINX,
            [
                "Open the door of the house.",
                "the key that fits into the lock",
                "True if the door is open.",
                "first you turn the key in the lock",
                "then you push the door open",
            ],
        ),
    ],
)
def test_sentences_are_extracted_from_docstrings(docstring, expected):
    assert sentences(docstring) == expected


@pytest.mark.parametrize(
    "marked, expected",
    [
        (":py:class:`~package.module.Name` and `x`_", "Name and x"),
        ("``a * b`` is *not* a **product** of ``c*d``", "a * b is not a product of c*d"),
        ("`the site <https://example.org>`__ has it", "the site has it"),
        ("Shows‘em “all”.  %(extra)s", 'Shows\'em "all".'),
    ],
)
def test_plain_removes_mark_up(marked, expected):
    assert plain(marked) == expected


@pytest.mark.parametrize(
    "sentence, expected",
    [
        ("Return the first item of the list.", True),
        ("Path to the data file", True),
        ("Apply random noise.", True),
        ("Parameters and", False),
        ("If seed is None, use global_state = True.", False),
        ("See https://example.org for the list of names.", False),
        ("Das ist die größte Zahl von allen.", False),
        ("- the list of all the things in it.", False),
        ("alpha beta gamma delta epsilon.", False),
        ("The shape is (1, 2, 3, 4, 5, 6, 7, 8, 9).", False),
        ("The end " * 80 + ".", False),
    ],
)
def test_is_prose_accepts_sentences_and_rejects_code_and_headings(sentence, expected):
    assert is_prose(sentence) is expected
