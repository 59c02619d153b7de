"""Compares SentencePiece in the graph with the library, without any other text rules."""

import io

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from albert_tf.errors import InputError
from albert_tf.tokenization.graph.sentencepiece import GraphSentencePiece

# Long runs can be split in many ways whose scores differ only by rounding; 日 and ~ are unknown.
RUNS = st.lists(
    st.tuples(st.sampled_from("9019a-e.=(日~é½ \u200b▁"), st.integers(1, 9)).map(
        lambda r: r[0] * r[1]
    ),
    max_size=60,
).map("".join)


@pytest.fixture(scope="module")
def graph(tokenizer):
    return GraphSentencePiece(tokenizer.processor)


def expected(tokenizer, texts):
    protos = [
        sentencepiece.sentencepiece_pb2.SentencePieceText.FromString(proto)
        for proto in tokenizer.processor.encode(texts, out_type="serialized_proto")
    ]
    return [[(p.id, p.begin, p.end) for p in proto.pieces] for proto in protos]


def test_ids_and_offsets_equal_the_library(tokenizer, graph):
    @settings(derandomize=True, max_examples=100, deadline=None)
    @given(st.lists(RUNS, min_size=1, max_size=20))
    def run(texts):
        rows = expected(tokenizer, texts)
        assert graph.tokenize(tf.constant(texts)).to_list() == [[i for i, _, _ in r] for r in rows]
        ids, starts, limits = graph.tokenize_with_offsets(tf.constant(texts))
        flat = np.array([token for row in rows for token in row]).reshape(-1, 3)
        np.testing.assert_array_equal(np.stack([ids.values, starts, limits], 1), flat)
        np.testing.assert_array_equal(ids.row_lengths(), [len(row) for row in rows])

    run()


def test_ids_of_a_long_text_equal_the_library(tokenizer, graph):
    text = " ".join(f"word{i * 7919 % 9973} 日本 999{i}," for i in range(400))
    expected = tokenizer.processor.encode(text)
    assert len(expected) > 4000
    assert graph.tokenize(tf.constant([text])).to_list() == [expected]


@pytest.mark.parametrize("options", [{"model_type": "bpe"}, {"add_dummy_prefix": False}])
def test_models_that_the_graph_cannot_run_are_refused(options):
    proto = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a banana and a bandana, ban an ad"] * 9),
        model_writer=proto,
        vocab_size=20,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=proto.getvalue())
    with pytest.raises(
        InputError, match="must be a SentencePiece model of type unigram.* Received"
    ):
        GraphSentencePiece(processor)
