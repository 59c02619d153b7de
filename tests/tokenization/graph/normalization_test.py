"""Compares normalisation in the graph with normalisation in Python for every code point."""

import unicodedata

import pytest
import tensorflow as tf

from albert_tf.tokenization.graph import alignment
from albert_tf.tokenization.graph import normalization as graph_normalization
from albert_tf.tokenization.normalization import normalize
from albert_tf.tokenization.settings import Preprocessing

# Capital letters added in Unicode 14, which TensorFlow's ICU does not lower yet; neither does
# Python 3.10.
NOT_LOWERED = {
    *(0x2C2F, 0xA7C0, 0xA7D0, 0xA7D6, 0xA7D8),
    *range(0x10570, 0x1057B),
    *range(0x1057C, 0x1058B),
    *range(0x1058C, 0x10593),
    *(0x10594, 0x10595),
}
UNICODE = tuple(map(int, unicodedata.unidata_version.split(".")))


def expected_of(text, settings):
    return normalize(text, settings).replace("\0", graph_normalization.NUL)


@pytest.mark.parametrize(
    "settings",
    [
        Preprocessing(),
        Preprocessing(lower_case=False),
        Preprocessing(rules="hugging_face"),
        Preprocessing(keep_accents=True),
        Preprocessing(keep_accents=True, rules="hugging_face"),
    ],
)
def test_every_assigned_code_point_is_normalised_as_in_python(settings):
    assigned = [c for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
    texts = [f"a{chr(c)}b" for c in assigned]
    got = graph_normalization.normalize(tf.constant(texts), settings).numpy()
    different = {
        c
        for c, text, in_graph in zip(assigned, texts, got)
        if expected_of(text, settings) != in_graph.decode()
    }
    assert len(NOT_LOWERED) == 40
    assert different == (NOT_LOWERED if settings.lower_case and UNICODE >= (14,) else set())


@pytest.mark.parametrize(
    "bad",
    [
        b"a\xffb",
        b"\xe3\x81",
        b"\xe3\x81b\xf0\x9f\x98x",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
    ],
)
def test_invalid_utf8_is_replaced_as_python_does(bad):
    settings = Preprocessing()
    expected = normalize(bad.decode("utf-8", errors="replace"), settings)
    for texts in (
        graph_normalization.normalize(tf.constant([bad]), settings),
        alignment.align(tf.constant([bad]), settings).texts,
    ):
        assert texts.numpy()[0].decode() == expected


def test_batches_with_and_without_ascii_agree():
    settings = Preprocessing(rules="hugging_face")
    ascii_only = ["A\t b\x1f\x0b ``C''", "NULNul ", "", " "]
    alone = graph_normalization.normalize(tf.constant(ascii_only), settings).numpy()
    mixed = graph_normalization.normalize(tf.constant([*ascii_only, "é"]), settings).numpy()
    assert mixed.tolist() == [*alone.tolist(), b"e"]
    with_nul = graph_normalization.normalize(tf.constant([*ascii_only, "A\0B "]), settings)
    assert with_nul.numpy().tolist() == [*alone.tolist(), expected_of("A\0B ", settings).encode()]
    assert [text.decode() for text in alone] == [expected_of(t, settings) for t in ascii_only]
