"""The configuration files for the server can be parsed and are consistent."""

import re
from pathlib import Path

import pytest
import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.config import model_server_config_pb2

import albert_tf.export
from albert_tf.export import benchmark, warmup
from tests.support.paths import ROOT

FILES = Path(albert_tf.export.__file__).with_name("serving")
Field = descriptor_pb2.FieldDescriptorProto


def read_models(text):
    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list


def test_the_supplied_file_works_with_any_versions():
    """A version or label that does not exist would keep the model from being served."""
    (model,) = read_models((FILES / "models.config").read_text()).config
    assert (model.name, model.base_path) == ("reviews", "/models/reviews")
    assert model.model_version_policy.latest.num_versions == 1 and not model.version_labels


def test_the_guide_has_valid_files_for_each_step_of_a_roll_out():
    text = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```textproto\n([\s\S]*?)```", text)
    newest, canary, rolled_out, several = map(read_models, blocks)
    assert newest == read_models((FILES / "models.config").read_text())
    for models, labels in ((canary, {"stable": 1, "canary": 2}), (rolled_out, {"stable": 2})):
        (model,) = models.config
        assert (model.name, model.base_path) == ("reviews", "/models/reviews")
        assert dict(model.version_labels) == labels
        assert list(model.model_version_policy.specific.versions) == [1, 2]
    names = {(model.name, model.base_path) for model in several.config}
    assert names == {("reviews", "/models/reviews"), ("sentences", "/models/sentences")}


# Messages of the server that are not part of tensorflow-serving-api, with their fields and types,
# from session_bundle_config.proto and monitoring_config.proto.
WRAPPERS = "google.protobuf"
MESSAGES = {
    "BatchingParameters": {
        "max_batch_size": f"{WRAPPERS}.Int64Value",
        "batch_timeout_micros": f"{WRAPPERS}.Int64Value",
        "max_enqueued_batches": f"{WRAPPERS}.Int64Value",
        "num_batch_threads": f"{WRAPPERS}.Int64Value",
        "thread_pool_name": f"{WRAPPERS}.StringValue",
        "allowed_batch_sizes": [Field.TYPE_INT64],
        "pad_variable_length_inputs": Field.TYPE_BOOL,
    },
    "PrometheusConfig": {"enable": Field.TYPE_BOOL, "path": Field.TYPE_STRING},
    "MonitoringConfig": {"prometheus_config": "serving.PrometheusConfig"},
}


@pytest.fixture(scope="module")
def parse():
    """A function that reads a file as one of `MESSAGES`."""
    file = descriptor_pb2.FileDescriptorProto(name="serving.proto", package="serving")
    file.syntax = "proto3"
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (key, kind) in enumerate(fields.items(), 1):
            field = message.field.add(name=key, number=number, label=Field.LABEL_OPTIONAL)
            if isinstance(kind, list):
                field.label, (kind,) = Field.LABEL_REPEATED, kind
            if isinstance(kind, str):
                field.type, field.type_name = Field.TYPE_MESSAGE, f".{kind}"
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)

    def read(name, message):
        descriptor = pool.FindMessageTypeByName(f"serving.{message}")
        message_class = message_factory.GetMessageClass(descriptor)
        return text_format.Parse((FILES / name).read_text(), message_class())

    return read


def test_the_last_allowed_batch_size_is_the_maximum(parse):
    batching = parse("batching.config", "BatchingParameters")
    sizes = list(batching.allowed_batch_sizes)
    assert sizes == sorted(set(sizes)) and sizes[-1] == batching.max_batch_size.value
    # The server also batches warmup requests.
    assert max(warmup.BATCH_SIZES) <= sizes[-1]
    assert batching.num_batch_threads.value > 0 and batching.pad_variable_length_inputs


def test_the_metrics_path_matches_the_deployment(parse):
    prometheus = parse("monitoring.config", "MonitoringConfig").prometheus_config
    deployment = next(yaml.safe_load_all((FILES / "kubernetes.yaml").read_text()))
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert prometheus.enable and prometheus.path == annotations["prometheus.io/path"]


@pytest.mark.parametrize(("most", "sizes"), [(16, [1, 2, 4, 8, 16]), (24, [1, 2, 4, 8, 16, 24])])
def test_the_benchmark_writes_such_a_file(parse, tmp_path, most, sizes):
    settings = {"max_batch_size": most, "batch_timeout_micros": 1234, "gain": 2.0}
    (tmp_path / "batching.config").write_text(benchmark.batching_config(settings, cores=3))
    batching = parse(tmp_path / "batching.config", "BatchingParameters")
    assert list(batching.allowed_batch_sizes) == sizes
    assert batching.max_batch_size.value == most
    assert (batching.batch_timeout_micros.value, batching.num_batch_threads.value) == (1234, 3)
    assert batching.pad_variable_length_inputs
