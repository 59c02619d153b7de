"""What several tests of the data readers look at."""

from pathlib import Path

import pytest

from albert_tf.data.build_settings import RECORD_FORMATS, BuildSettings
from albert_tf.data.pretraining_data import build
from albert_tf.tokenization.tokenizer import AlbertTokenizer

TESTDATA = Path(__file__).parents[1] / "testdata"
MODEL = TESTDATA / "tokenization/spm.model"


@pytest.fixture(scope="session")
def spm():
    return AlbertTokenizer(MODEL)


@pytest.fixture(scope="session")
def golden_builds(tmp_path_factory):
    """The golden corpus with the golden settings, in a folder for each record format."""
    folders = {}
    for record_format in RECORD_FORMATS:
        folders[record_format] = tmp_path_factory.mktemp("golden") / record_format
        settings = BuildSettings(64, record_format, dupe_factor=2, shards=3)
        corpus = str(TESTDATA / "pretraining_data/corpus.txt.gz")
        build(corpus, MODEL, folders[record_format], settings)
    return folders
