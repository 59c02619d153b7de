"""The golden cases, and a tokenizer for each setting they were generated with."""

import json

import pytest

from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support.paths import TESTDATA

GOLDENS = TESTDATA / "tokenization"

SETTINGS = {
    "orig_lower": ("spm.model", {}),
    "orig_cased": ("spm.model", {"lower_case": False}),
    "orig_cased_casedmodel": ("spm_cased.model", {"lower_case": False}),
    "hf4_slow_lower": ("spm.model", {"rules": "hugging_face"}),
    "hf4_slow_cased": ("spm.model", {"lower_case": False, "rules": "hugging_face"}),
    "accents": ("spm.model", {"keep_accents": True}),
    "hf_accents": ("spm.model", {"keep_accents": True, "rules": "hugging_face"}),
}
GOLDEN = [name for name in SETTINGS if not name.endswith("accents")]


def pytest_generate_tests(metafunc):
    if "golden" in metafunc.fixturenames:
        metafunc.parametrize("golden", GOLDEN)
    if "setting" in metafunc.fixturenames:
        metafunc.parametrize("setting", list(SETTINGS))


@pytest.fixture(scope="session")
def model_file():
    return GOLDENS / "spm.model"


@pytest.fixture(scope="session")
def cases():
    lines = (GOLDENS / "cases.jsonl").read_text().splitlines()
    assert len(lines) == 522
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def tokenizers():
    return {
        name: AlbertTokenizer(GOLDENS / model, **arguments)
        for name, (model, arguments) in SETTINGS.items()
    }


@pytest.fixture(scope="session")
def tokenizer(tokenizers):
    return tokenizers["orig_lower"]
