"""A classifier with early exit in the C++ program that loads artefacts as a server does."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf import AlbertClassifier, AlbertConfig, AlbertTokenizer
from albert_tf.export import precision, task_model
from tests.export.warmup_test import requests as requests_of_warmup
from tests.support import cpp_server, tiny_task

pytestmark = [
    pytest.mark.clean_process,
    pytest.mark.skipif(
        not shutil.which("g++"), reason="g++, which compiles the loader, is not installed."
    ),
]


@pytest.mark.parametrize("products", ["float32", "int8"])
def test_answers_and_layers_are_those_of_python(products, tmp_path):
    tokenizer = AlbertTokenizer(tiny_task.VOCAB)
    tf_keras.utils.set_random_seed(1)
    config = AlbertConfig(
        vocab_size=tokenizer.vocab_size,
        embedding_size=16,
        hidden_size=32,
        num_hidden_layers=5,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    model = AlbertClassifier(config, labels=["a", "b", "c"], early_exit="joint")
    model.settings = {"exit_threshold": 0.6}
    model.save_pretrained(tmp_path / "model", tokenizer)
    chosen = precision.Settings(products, max_drift=None if products == "float32" else 1.0)
    settings = task_model.Settings(precision=chosen)
    path = task_model.export(tmp_path / "model", tmp_path / "out", settings=settings, check=False)
    texts = np.array(["a text", "", "another text, which is longer", "words " * 30, "one"])
    requests = [*requests_of_warmup(path), ("serving_default", {"text": texts})]
    loaded, layers = tf.saved_model.load(str(path)), set()
    for (signature, inputs), ours in zip(requests, cpp_server.answers(path, requests)):
        expected = loaded.signatures[signature](**{n: tf.constant(v) for n, v in inputs.items()})
        assert set(ours) == set(expected)
        layers |= set(ours["layers"].tolist())
        for key, value in expected.items():
            if value.dtype == tf.float32:
                np.testing.assert_allclose(ours[key], value, atol=2e-5)
            else:
                np.testing.assert_array_equal(ours[key], value)
    assert len(layers) > 1
