import dataclasses
import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras

from albert_tf.modeling.pretrainer import AlbertPretrainer
from albert_tf.serving import signatures
from albert_tf.serving.hub_encoder import HubEncoder
from albert_tf.serving.shared_model import SharedModel
from tests.support.server_padding import batched
from tests.support.small_config import SMALL

# Every axis has its own size: B 2, S 7, P 3.
CONFIG = dataclasses.replace(
    SMALL,
    num_hidden_layers=5,
    num_hidden_groups=2,
    hidden_dropout_prob=0.3,
    initializer_range=0.5,
)
INPUTS = (
    tf.constant([[2, 9, 30, 11, 3, 0, 0], [2, 5, 6, 7, 8, 9, 3]]),
    tf.constant([[1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1]]),
    tf.constant([[0, 0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1]]),
)
POSITIONS = tf.constant([[1, 4, 0], [6, 2, 3]])


@pytest.fixture(scope="module")
def model():
    tf.random.set_seed(3)
    return AlbertPretrainer(CONFIG)


@pytest.fixture(scope="module")
def asset(tmp_path_factory):
    path = tmp_path_factory.mktemp("assets") / "any.model"
    path.write_bytes(b"any content")
    return {"sp_model_file": path}


@pytest.fixture(scope="module")
def module(model, asset):
    shared = SharedModel(model.encoder, model.masked_lm, model.sentence_order)
    return HubEncoder(shared, lower_case=False, assets=asset)


@pytest.fixture(scope="module")
def expected(model):
    features = dict(zip(signatures.TEXT_ENCODER, (*INPUTS, POSITIONS)))
    return model(features)


def largest(ours, theirs):
    assert ours.shape == theirs.shape
    return float(np.max(np.abs(ours - theirs)))


@pytest.mark.parametrize("family", signatures.FAMILIES, ids=lambda family: " ".join(family[:2]))
def test_calls_give_the_outputs_of_the_keras_model(module, expected, family):
    outputs = module(dict(zip(family[:3], INPUTS)))
    assert set(outputs) == {"pooled_output", "default", "sequence_output", "encoder_outputs"}
    assert largest(outputs["pooled_output"], expected["pooled_output"]) < 1e-5
    assert largest(outputs["default"], expected["pooled_output"]) < 1e-5
    assert largest(outputs["sequence_output"], expected["sequence_output"]) < 1e-5
    assert len(outputs["encoder_outputs"]) == 5
    for ours, theirs in zip(outputs["encoder_outputs"], expected["encoder_outputs"]):
        assert largest(ours, theirs) < 1e-5
    outputs = module.mlm(dict(zip(family, (*INPUTS, POSITIONS))))
    assert largest(outputs["mlm_logits"], expected["mlm_logits"]) < 1e-5


@pytest.fixture(scope="module")
def loaded(module, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("hub") / "encoder")
    tf.saved_model.save(module, path, signatures=module.signatures())
    return hub.load(path)


@pytest.mark.parametrize("shape", [(None, 7), (2, None), (2, 7), (None, None)])
def test_static_shapes_of_the_inputs_are_those_of_the_outputs(loaded, shape):
    batch, length = shape
    expected = {
        "pooled_output": [batch, 12],
        "default": [batch, 12],
        "sequence_output": [batch, length, 12],
        "encoder_outputs": [[batch, length, 12]] * 5,
        "mlm_logits": [batch, 3, 31],
    }
    specs = [tf.TensorSpec(shape, tf.int32)] * 3 + [tf.TensorSpec([batch, 3], tf.int32)]
    for family, training in itertools.product(signatures.FAMILIES, (False, True)):
        call = tf.function(functools.partial(loaded.mlm, training=training))
        outputs = call.get_concrete_function(dict(zip(family, specs))).structured_outputs
        assert tf.nest.map_structure(lambda x: x.shape.as_list(), outputs) == expected


def test_a_dense_layer_on_the_flattened_output_trains(loaded, expected):
    names = signatures.TEXT_ENCODER[:3]
    inputs = {name: tf_keras.Input([7], dtype=tf.int32) for name in names}
    outputs = hub.KerasLayer(loaded, trainable=True)(inputs)["sequence_output"]
    dense = tf_keras.layers.Dense(3, kernel_initializer="ones")
    model = tf_keras.Model(inputs, dense(tf_keras.layers.Flatten()(outputs)))
    features = dict(zip(names, INPUTS))
    total = tf.reduce_sum(expected["sequence_output"], [1, 2])  # [B]
    np.testing.assert_allclose(model(features), np.repeat(total[:, None], 3, 1), atol=1e-4)
    model.compile("sgd", "mse")
    model.fit(features, tf.zeros([2, 3]), verbose=0)


def test_a_bool_mask_of_keras_hub_is_accepted(module, expected, tmp_path):
    inputs = dict(zip(signatures.KERAS_HUB, (*INPUTS, POSITIONS)))
    inputs["padding_mask"] = inputs["padding_mask"] == 1
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    outputs = loaded.mlm(inputs)
    assert largest(outputs["mlm_logits"], expected["mlm_logits"]) < 1e-5
    outputs = loaded({name: inputs[name] for name in signatures.KERAS_HUB[:3]}, training=False)
    assert largest(outputs["pooled_output"], expected["pooled_output"]) < 1e-5


@pytest.fixture(scope="module", params=[True, False], ids=["real tokens", "all tokens"])
def served(request, model, asset):
    """The signatures, with and without removed padding."""
    shared = SharedModel(model.encoder, model.masked_lm, model.sentence_order)
    return HubEncoder(shared, False, asset, request.param).signatures()


def test_signatures_give_the_outputs_of_the_keras_model(served, expected, request):
    remove_padding = "real tokens" in request.node.name
    assert set(served) == set(signatures.ENCODER)
    tokens = served["tokens"](*INPUTS)
    real = INPUTS[1].numpy()[:, :, np.newaxis] if remove_padding else 1.0
    assert largest(tokens["sequence_output"], expected["sequence_output"] * real) < 1e-5
    mlm = served["mlm"](*INPUTS, POSITIONS)
    # The rows are the positions of the first text, then those of the second.
    assert largest(mlm["mlm_logits"][:3], expected["mlm_logits"][0]) < 1e-5
    assert largest(mlm["mlm_logits"][3:], expected["mlm_logits"][1]) < 1e-5
    sop = served["sop"](*INPUTS)["sop_log_probs"]
    assert largest(sop, tf.nn.log_softmax(expected["sop_logits"])) < 1e-5
    assert largest(tf.reduce_sum(tf.exp(sop), -1), tf.ones([2])) < 1e-5
    assert not served["tokenization_info"]()["do_lower_case"]


@pytest.mark.parametrize("real_tokens", [True, False])
def test_the_pooled_output_needs_only_one_position_of_the_last_block(model, expected, real_tokens):
    inputs = dict(zip(signatures.TF1_HUB, INPUTS))
    shared = SharedModel(model.encoder)
    outputs = shared.encode(inputs, signatures.TF1_HUB, real_tokens=real_tokens, output_range=1)
    assert largest(outputs["pooled_output"], expected["pooled_output"]) < 1e-5
    assert outputs["sequence_output"].shape[1] == 1


def test_outputs_have_the_dtypes_and_shapes_of_the_table(module):
    sizes = {"B": None, "S": None, "P": None, "B*P": None, "H": 12, "V": 31, "2": 2}
    for name, function in module.signatures().items():
        outputs = function.get_concrete_function().structured_outputs
        table = signatures.ENCODER[name].outputs
        assert set(outputs) == set(table)
        for key, spec in table.items():
            assert outputs[key].dtype == spec.dtype
            assert outputs[key].shape.as_list() == [sizes[axis] for axis in spec.axes], key


def test_only_mlm_has_the_variables_of_the_head(module, model):
    encoder = {id(v) for v in model.encoder.variables}
    head = {id(v) for v in model.masked_lm.variables}
    assert {id(v) for v in module.trainable_variables} == encoder
    assert len(module.variables) == len(encoder)
    assert {id(v) for v in module.mlm.variables} == encoder | head
    assert len(module.mlm.variables) == len(encoder | head)  # The shared table is in the list once.


def test_every_variable_of_the_encoder_gets_a_gradient(module):
    with tf.GradientTape() as tape:
        outputs = module(dict(zip(signatures.TF1_HUB, INPUTS)), training=True)
        loss = tf.reduce_sum(outputs["pooled_output"] ** 2)
        loss += tf.reduce_sum(outputs["sequence_output"] ** 3)
    gradients = tape.gradient(loss, list(module.trainable_variables))
    without = [v.name for v, g in zip(module.trainable_variables, gradients) if g is None]
    assert without == []


def test_dropout_is_applied_only_in_training(module):
    inputs = dict(zip(signatures.TF1_HUB, INPUTS))

    def twice(**kwargs):
        first, second = (module(inputs, **kwargs)["pooled_output"] for _ in range(2))
        return largest(first, second)

    assert twice(training=True) > 1e-2
    assert twice(training=False) == 0.0
    assert twice() == 0.0


def test_rows_of_a_padded_table_are_never_predicted(model, expected):
    shared = SharedModel(model.encoder, model.masked_lm, pieces=29)
    inputs = dict(zip(signatures.TF1_HUB, (*INPUTS, POSITIONS)))
    logits = shared.predict_masked(inputs, signatures.TF1_HUB)["mlm_logits"]
    assert largest(logits[:, :, :29], expected["mlm_logits"][:, :, :29]) < 1e-5
    shares = tf.nn.softmax(logits)
    assert float(tf.reduce_max(shares[:, :, 29:])) == 0.0
    assert largest(shares[:, :, :29], tf.nn.softmax(expected["mlm_logits"][:, :, :29])) < 1e-6


def test_a_model_without_heads_does_not_have_mlm_and_sop(model, asset):
    module = HubEncoder(SharedModel(model.encoder), lower_case=True, assets=asset)
    assert set(module.signatures()) == {"serving_default", "tokens", "tokenization_info"}
    assert not hasattr(module, "mlm")


@pytest.fixture(scope="module")
def traced(module):
    return module.signatures()


def padded_by_the_server(rows):
    """Returns one tensor of a batch that the server makes from requests with one row each."""
    return tf.constant(batched([[row] for row in rows]), tf.int32)


def test_a_batch_padded_by_the_server_gives_the_same_outputs_as_its_rows(served):
    ids = [[2, 9, 3], [2, 5, 6, 2, 8, 9, 3], [2, 3]]  # [CLS] inside a row is not padding.
    tensors = [ids, [[1] * len(row) for row in ids], [[0, 1, 1], [0] * 7, [0, 0]]]
    for name, more in dict(tokens=[], sop=[], mlm=[[[1], [6], [0]]]).items():
        batch = served[name](*map(padded_by_the_server, [*tensors, *more]))
        for index, row in enumerate(ids):
            request = [tf.constant([tensor[index]]) for tensor in [*tensors, *more]]
            for key, alone in served[name](*request).items():
                ours = batch[key][index : index + 1]
                ours = ours[:, : len(row)] if key == "sequence_output" else ours
                assert largest(ours, alone) < 1e-5, (name, key)


def wrong(**changed):
    inputs = dict(zip(signatures.TF1_HUB, (*INPUTS, POSITIONS)))
    return {**inputs, **{name: tf.constant(value) for name, value in changed.items()}}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (wrong(input_mask=[[1], [1]]), r"must have the same shape.*\[2 7\] \[2 1\] \[2 7\]"),
        (wrong(segment_ids=[[0] * 7]), r"must have the same shape.*\[2 7\] \[2 7\] \[1 7\]"),
        (wrong(mlm_positions=[[7, 0], [1, 1]]), r"inside the sequence.*\[0\] \[7\] \[7\]"),
        (wrong(mlm_positions=[[-1, 0], [1, 1]]), r"inside the sequence.*\[-1\] \[1\] \[7\]"),
        (wrong(input_ids=[[31] * 7] * 2), r"must lie in \[0, 31\)"),
    ],
)
def test_an_error_for_wrong_inputs_explains_the_rule(module, loaded, traced, inputs, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        module.mlm(inputs)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        loaded.mlm(inputs)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        traced["mlm"](*inputs.values())
