"""Valid and invalid requests to each kind of task, single and batched by a server."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.serving.signatures import TF1_HUB
from tests.support import served_tasks
from tests.support.server_padding import batched

GOOD = ("a [MASK] that comes first", "another [MASK], which is longer than the first of them")
NAMES = TF1_HUB[:3]


@pytest.fixture(params=["float32", "int8"], scope="module")
def products(request):
    return request.param


@pytest.fixture(params=served_tasks.KINDS)
def served(request, exported, products):
    """An export of each kind of task and precision."""
    return exported(request.param, products)


def ask(served, signature, inputs):
    """Returns the outputs as arrays and checks that they are finite."""
    run = served.model.signatures[signature]
    outputs = {name: value.numpy() for name, value in run(**inputs).items()}
    assert all(np.all(np.isfinite(v)) for v in outputs.values() if v.dtype.kind == "f")
    return outputs


def assert_rows(outputs, begin, alone, tolerance=1e-5):
    """Checks that the rows from `begin` equal the outputs of a single request.

    The other axes of the single request may be shorter.
    """
    for name, expected in alone.items():
        rows = outputs[name][begin : begin + len(expected)]
        received = rows[(slice(None), *map(slice, expected.shape[1:]))]
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(received, expected, atol=tolerance, err_msg=name)
        else:
            np.testing.assert_array_equal(received, expected, err_msg=name)


# === Ids ===
def tokens(served, *lengths, seed=0):
    """Returns ids, mask and type ids of rows that are padded after these lengths, int32 [B, S].

    If the task has choices, the rows are the choices of one example and, in reverse order, of a
    second one, int32 [2, C, S].
    """
    rng = np.random.default_rng(seed)
    places = np.arange(max(lengths))
    ends = np.array(lengths)[:, np.newaxis]
    ids = rng.integers(5, 200, [len(lengths), len(places)])
    ids[:, 0], ids[:, 3] = 2, 4  # [CLS], and [MASK] for fill_mask
    ids = np.where(places == ends - 1, 3, np.where(places < ends, ids, 0))
    rows = ids, places < ends, (places > 4) & (places < ends)
    rows = [row.astype(np.int32) for row in rows]
    if served.kind == "multiple_choice":
        rows = [np.stack([row, row[::-1]]) for row in rows]  # [2, C, S]
    return dict(zip(NAMES, rows))


def tensors(inputs):
    return {name: tf.constant(value) for name, value in inputs.items()}


def test_batches_padded_by_the_server_have_the_answers_of_single_requests(served):
    # The requests differ in length, contain padding, and have different numbers of choices.
    requests = [tokens(served, *lengths, seed=sum(lengths)) for lengths in [(9, 7), (16, 12, 5)]]
    padded = {name: batched([request[name] for request in requests]) for name in NAMES}
    assert padded[NAMES[1]][0].flat[-1] == 1  # The server's padding looks like real tokens.
    together, begin = ask(served, "tokens", tensors(padded)), 0
    for request in requests:
        alone = ask(served, "tokens", tensors(request))
        if served.kind == "multiple_choice":
            alone.pop("logits")  # Logits of missing choices have no meaning.
        assert_rows(together, begin, alone, served.tolerance)
        begin += len(request[NAMES[0]])
    if served.kind == "multiple_choice":
        assert not np.any(together["probabilities"][:2, 2:])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("input_ids", lambda x: x + 1000, r"must lie in \[0, (200|1000)\)"),
        ("input_ids", lambda x: x - 300, r"must lie in \[0, (200|1000)\)"),
        ("segment_ids", lambda x: x + 2, r"must lie in \[0, 2\)"),
        ("input_mask", lambda x: x[..., :-1], "must have the same shape"),
        ("segment_ids", lambda x: x[:1], "must have the same shape"),
        ("all", lambda x: np.repeat(x, 8, axis=-1), "must not be longer than the position table"),
    ],
)
def test_the_error_for_invalid_ids_states_the_rule(served, name, change, message):
    inputs = tokens(served, 9, 7)
    changed = {n: change(x) if name in ("all", n) else x for n, x in inputs.items()}
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ask(served, "tokens", tensors(changed))


def test_a_row_of_padding_does_not_affect_other_rows(served):
    inputs = tokens(served, 9, 7)
    empty = {name: np.concatenate([x, np.zeros_like(x)]) for name, x in inputs.items()}
    alone = ask(served, "tokens", tensors(inputs))
    assert_rows(ask(served, "tokens", tensors(empty)), 0, alone, served.tolerance)


# === Texts ===
def texts(served, *rows):
    """Returns the inputs of a request, with the same texts for every input and two choices."""
    inputs = served.model.signatures["serving_default"].structured_input_signature[1]
    both = np.array([[row, "other"] for row in rows], object).reshape([-1, 2])
    return {
        name: tf.constant(both if len(spec.shape) == 2 else both[:, 0], tf.string)
        for name, spec in inputs.items()
    }


BAD = {
    "empty": "",
    "not UTF-8": b"\xff\xfe\x80 text \xed\xa0\x80",
    "a null": b"\x00",
    "1 MB": "\u4e00" * (2**20 // 3) + " word" * 9,  # Consecutive unknown characters are one token.
    "many words": "word " * 2000,
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_text_is_answered_and_does_not_affect_other_texts(served, bad):
    text = BAD[bad][:9999] if served.kind == "entities" else BAD[bad]  # 1 MB has too many words.
    outputs = ask(served, "serving_default", texts(served, GOOD[0], text, GOOD[1]))
    for row, text in ((0, GOOD[0]), (2, GOOD[1])):
        alone = ask(served, "serving_default", texts(served, text))
        assert_rows(outputs, row, alone, served.tolerance)


def test_concurrent_requests_have_the_answers_of_single_requests(served):
    requests = [texts(served, text) for text in (*GOOD, "")]
    single = [ask(served, "serving_default", request) for request in requests]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda r: ask(served, "serving_default", r), requests * 4))
    for outputs, alone in zip(answers, single * 4):
        assert_rows(outputs, 0, alone, served.tolerance)


def test_the_error_for_missing_inputs_names_them(served):
    inputs = texts(served, GOOD[0])
    *_, last = inputs
    with pytest.raises(TypeError, match=last):
        ask(served, "serving_default", {n: v for n, v in inputs.items() if n != last})
    first = "passage" if served.kind == "multiple_choice" else "(text|question|context)"
    example = tf.train.Example().SerializeToString()
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"Feature: {first}.*is required"):
        ask(served, "examples", {"examples": tf.constant([example])})
    with pytest.raises(tf.errors.InvalidArgumentError, match="Could not parse"):
        ask(served, "examples", {"examples": tf.constant(["no example"])})


@pytest.mark.parametrize("kind", ["pair_regression", "question_answering", "multiple_choice"])
def test_inputs_of_different_batch_sizes_are_rejected(exported, kind):
    one, two = (texts(exported(kind), *rows) for rows in (GOOD[:1], GOOD))
    *_, last = one
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have the same batch size"):
        ask(exported(kind), "serving_default", {**one, last: two[last]})


def test_an_empty_batch_is_answered(served):
    outputs = ask(served, "serving_default", texts(served))
    assert {len(value) for value in outputs.values()} == {0}
