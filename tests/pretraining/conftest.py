"""Fixtures that several tests of pretraining share."""

import pytest

from albert_tf.pretraining.records.build_settings import RECORD_FORMATS, BuildSettings
from albert_tf.pretraining.records.pretraining_data import build
from tests.support.pretraining_corpus import CORPUS, VOCAB, digests


@pytest.fixture(scope="session")
def golden_builds(tmp_path_factory):
    """The golden corpus built with the golden settings, in one folder per record format."""
    folders = {}
    for record_format in RECORD_FORMATS:
        folders[record_format] = tmp_path_factory.mktemp("golden") / record_format
        settings = BuildSettings(64, record_format, dupe_factor=2, shards=3)
        build(str(CORPUS), VOCAB, folders[record_format], settings)
    return folders


@pytest.fixture(scope="session")
def ten_shards():
    return BuildSettings(64, dupe_factor=2, shards=10)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, ten_shards):
    """The digests of an uninterrupted build of ten shards."""
    directory = tmp_path_factory.mktemp("undisturbed")
    build(str(CORPUS), VOCAB, directory, ten_shards)
    return digests(directory)
