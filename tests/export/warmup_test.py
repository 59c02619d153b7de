"""Every warmup request runs on the loaded artefact."""

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from albert_tf.export import warmup


def requests(path):
    """Yields the signature and inputs of each record, read as the server does."""
    for record in tf.data.TFRecordDataset(str(path / warmup.NAME)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        yield request.model_spec.signature_name, inputs


def run_all(path, model):
    """Runs every record and returns its signature, batch size and length, which is 0 for texts."""
    calls = []
    for name, inputs in requests(path):
        outputs = model.signatures[name](**{n: tf.constant(v) for n, v in inputs.items()})
        sizes = {value.shape[0] for value in inputs.values()}
        # A batching server splits every output along its first axis.
        assert {int(value.shape[0]) for value in outputs.values()} == sizes
        (length,) = {v.shape[-1] for n, v in inputs.items() if n == "input_ids"} or {0}
        calls.append((name, *sizes, length))
    return calls


def test_records_of_a_task_have_several_lengths_and_batch_sizes(served):
    longest = {"fill_mask": 16, "embedding": 20}.get(served.kind, 24)
    both = [(size, length) for size in (1, 4) for length in (8, longest)]
    texts = [(name, size, 0) for size, _ in both for name in ("serving_default", "examples")]
    tokens = [("tokens", *sizes) for sizes in both]
    assert sorted(run_all(served.path, served.model)) == sorted([*texts, *tokens])


def test_records_of_an_encoder_call_every_signature_that_takes_ids(exports):
    path = exports / "encoder"
    calls = run_all(path, tf.saved_model.load(str(path)))
    assert sorted(calls) == sorted(
        (name, size, length)
        for name in ("serving_default", "tokens", "mlm", "sop")
        for size in (1, 4)
        for length in (8, 32, 40)
    )
