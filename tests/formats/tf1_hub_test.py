import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from albert_tf.errors import InputError
from albert_tf.formats import load
from albert_tf.modeling.pretrainer import AlbertPretrainer
from tests.support.goldens import TESTDATA, TOLERANCE, difference, io, run

MODULE = TESTDATA / "tfhub1_tiny"


@pytest.fixture
def module(tmp_path):
    return shutil.copytree(MODULE, tmp_path / "module")


def test_outputs_equal_those_of_the_module():
    golden = io("tfhub1_tiny")
    outputs = run(AlbertPretrainer.from_pretrained(MODULE), golden)
    assert difference(outputs["sequence_output"], golden["sequence_output"]) < TOLERANCE
    assert difference(outputs["pooled_output"], golden["pooled_output"]) < TOLERANCE
    logits = tf.reshape(outputs["mlm_logits"], golden["mlm_logits"].shape)
    assert difference(logits, golden["mlm_logits"]) < TOLERANCE
    log_probs = tf.nn.log_softmax(outputs["sop_logits"])
    assert difference(log_probs, golden["sop_log_probs"]) < TOLERANCE


def test_weights_equal_those_of_the_checkpoint_it_was_made_from():
    ours, theirs = load.load(MODULE), load.load(TESTDATA / "tf1_tiny")
    assert (ours.format, ours.config, ours.unread) == ("tf1_hub", theirs.config, ())
    assert set(ours.weights) == set(theirs.weights)
    for name in ours.weights:
        np.testing.assert_array_equal(ours.weights[name], theirs.weights[name])


def test_vocabulary_and_lower_case_are_read(module):
    source = load.load(module)
    assert source.model_file == module / "assets" / "30k-clean.model"
    assert source.preprocessing.lower_case is True
    path = module / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for meta_graph in saved.meta_graphs:
        name = meta_graph.signature_def["tokenization_info"].outputs["do_lower_case"].name
        for node in meta_graph.graph_def.node:
            if node.name == name.partition(":")[0]:
                node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(False))
    path.write_bytes(saved.SerializeToString())
    assert load.load(module).preprocessing.lower_case is False


def test_damaged_modules_are_rejected(module):
    path = module / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(InputError, match="A protocol buffer must be complete.*SavedModel"):
        load.load(module)
    (module / "assets" / "albert_config.json").unlink()
    with pytest.raises(InputError, match="A model config must be an existing file"):
        load.load(module)


@pytest.mark.parametrize("damage", ["circle", "itself", "no input", "huge", "text"])
def test_a_graph_without_a_plain_constant_says_nothing_about_lower_case(module, damage):
    """Nodes that feed each other, and constants that claim 3.6 TiB, take no time or memory."""
    path = module / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for meta_graph in saved.meta_graphs:
        output = meta_graph.signature_def["tokenization_info"].outputs["do_lower_case"]
        nodes = meta_graph.graph_def.node
        (node,) = (node for node in nodes if node.name == output.name.partition(":")[0])
        if damage in ("circle", "itself", "no input"):
            node.op = "Identity"
            del node.input[:]
            node.input.extend({"circle": ["other"], "itself": [node.name]}.get(damage, []))
            nodes.add(name="other", op="Identity", input=[node.name])
        elif damage == "huge":
            node.attr["value"].tensor.tensor_shape.dim.add(size=10**12)
        else:
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto("yes"))
    path.write_bytes(saved.SerializeToString())
    source = load.load(module)
    assert source.preprocessing == load.load(MODULE).preprocessing
    assert len(source.weights) == len(load.load(MODULE).weights)
