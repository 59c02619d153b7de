"""A tokenizer for tests of the data readers."""

from pathlib import Path

import pytest

from albert_tf.tokenization.tokenizer import AlbertTokenizer

MODEL = Path(__file__).parents[1] / "testdata/tokenization/spm.model"


@pytest.fixture(scope="session")
def spm():
    return AlbertTokenizer(MODEL)
