"""The corpus and vocabulary for tests that build pretraining data."""

import hashlib

from tests.support.paths import TESTDATA

CORPUS = TESTDATA / "pretraining_data" / "corpus.txt.gz"
VOCAB = TESTDATA / "tokenization" / "spm.model"


def digests(directory):
    """Returns the SHA-256 of each file in a folder, by name."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in directory.iterdir()}
