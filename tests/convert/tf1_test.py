import numpy as np
import pytest
import tensorflow as tf
from goldens import TESTDATA, TOLERANCE, difference, io, run

from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.pretrainer import AlbertPretrainer

CASES = [("io.npz", "")] + [("io_edge.npz", p) for p in ("maxlen__", "len1__", "allmasked__")]


@pytest.fixture(scope="module", params=["tf1_tiny", "tf1_groups", "tf1_nofactor"])
def pretrained(request):
    return request.param, AlbertPretrainer.from_pretrained(TESTDATA / request.param)


@pytest.mark.parametrize(("file", "prefix"), CASES)
def test_outputs_are_those_of_the_original(pretrained, file, prefix):
    name, model = pretrained
    golden = io(name, file, prefix)
    outputs = run(model, golden)
    logits = tf.reshape(outputs["mlm_logits"], golden["mlm_logits"].shape)
    layers = np.stack(outputs["encoder_outputs"])
    assert difference(outputs["sequence_output"], golden["sequence_output"]) < TOLERANCE
    assert difference(outputs["pooled_output"], golden["pooled_output"]) < TOLERANCE
    assert difference(logits, golden["mlm_logits"]) < TOLERANCE
    log_probs = tf.nn.log_softmax(outputs["sop_logits"])
    assert difference(log_probs, golden["sop_log_probs"]) < TOLERANCE
    # Scores of a row without any attended position are sums with 1e4, exact to 1e-3 at best, so
    # that inner layers may be further from the original's, whose products round otherwise.
    tolerance = 5e-5 if prefix == "allmasked__" else TOLERANCE
    assert difference(layers, golden["all_encoder_layers"]) < tolerance


def test_encoder_alone_gives_the_same():
    golden = io("tf1_tiny")
    encoder = AlbertEncoder.from_pretrained(str(TESTDATA / "tf1_tiny" / "model.ckpt-best"))
    del golden["mlm_positions"]
    outputs = run(encoder, golden)
    assert difference(outputs["pooled_output"], golden["pooled_output"]) < TOLERANCE
