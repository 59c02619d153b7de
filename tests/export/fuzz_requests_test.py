"""A random request is answered or refused. `tests.support.fuzz_requests` tries others."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tests.support import fuzz_requests

SEEDS = range(30)


@pytest.fixture(scope="module")
def target(exports, exported):
    def make(name):
        if name in ("encoder", "preprocessor"):
            path = exports / name
            return fuzz_requests.target(name, path, tf.saved_model.load(str(path)))
        kind, _, products = name.partition(" in ")
        served = exported(kind, *([products] if products else []))
        return fuzz_requests.target(name, served.path, served.model)

    return make


@pytest.mark.parametrize(
    "name", [*fuzz_requests.KINDS, "multiple_choice in int8", "fill_mask in int8"]
)
def test_random_requests_are_answered_or_refused_and_leave_no_trace(target, name):
    asked = target(name)
    before = fuzz_requests.answers(asked)
    assert {seed: p for seed in SEEDS if (p := fuzz_requests.problem(asked, seed))} == {}
    assert fuzz_requests.problem_of_good(asked, before) == ""


@pytest.mark.clean_process
@pytest.mark.skipif(not shutil.which("g++"), reason="g++, which compiles the loader, is missing.")
def test_random_requests_to_a_server_are_answered_or_refused(target):
    targets = [target(name) for name in ("preprocessor", "encoder", "tagging", "multiple_choice")]
    assert list(fuzz_requests.problems_in_cpp(targets, SEEDS)) == []


@pytest.mark.parametrize("name", ["encoder", "multiple_choice"])
def test_some_random_requests_are_answered_and_some_refused(target, name):
    asked, answered = target(name), 0
    requests = [fuzz_requests.request(asked, seed) for seed in range(60)]
    assert {r.signature for r in requests} == set(asked.model.signatures)
    for request in requests:
        try:
            request.send(asked.model)
            answered += 1
        except fuzz_requests.REFUSED:
            pass
    assert 5 < answered < 45


def test_wrong_errors_other_answers_and_numbers_that_are_not_finite_are_found(target):
    asked = target("encoder")

    def faulty(outputs):
        runs = asked.model.signatures.items()
        signatures = {name: _Signature(run, outputs) for name, run in runs}
        return asked._replace(model=SimpleNamespace(signatures=signatures))

    def fail():
        raise tf.errors.InternalError(None, None, "a fault")

    assert ": InternalError: a fault" in fuzz_requests.problem(faulty(fail), 3)
    nan = faulty(lambda: {"x": tf.constant(np.nan)})
    assert "x is not finite" in fuzz_requests.problem(nan, 3)
    before = fuzz_requests.answers(asked)
    others = faulty(lambda: {n: tf.constant(x + 1) for n, x in before[0].items()})
    assert ": another " in fuzz_requests.problem_of_good(others, before)


class _Signature:
    """A signature with the inputs of another one, and outputs of its own."""

    def __init__(self, run, outputs):
        self.structured_input_signature = run.structured_input_signature
        self._outputs = outputs

    def __call__(self, **inputs):
        return self._outputs()
