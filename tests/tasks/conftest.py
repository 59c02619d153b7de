import pytest

from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support import tiny_task


@pytest.fixture(scope="session")
def spm():
    return AlbertTokenizer(tiny_task.VOCAB)
