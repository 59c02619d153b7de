import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.export import hub_encoder, manifest
from albert_tf.modeling.pretrainer import AlbertPretrainer
from albert_tf.tokenization.tokenizer import AlbertTokenizer


def graph(folder):
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((folder / "saved_model.pb").read_bytes())
    return saved_model.meta_graphs[0]


def signatures(folder):
    """Returns names, types and shapes as stored in the file."""
    return {
        name: tuple(
            {
                key: (info.dtype, [dim.size for dim in info.tensor_shape.dim])
                for key, info in tensors.items()
            }
            for tensors in (signature.inputs, signature.outputs)
        )
        for name, signature in graph(folder).signature_def.items()
    }


def test_signatures_match_those_of_the_released_module(exports, request):
    released = signatures(request.path.parents[1] / "testdata/tfhub1_tiny")
    ours = signatures(exports / "encoder")
    assert set(released) == {"tokens", "mlm", "sop", "tokenization_info"}
    assert {name: ours[name] for name in released} == released
    assert set(ours) - set(released) == {"serving_default", "__saved_model_init_op"}
    assert ours["serving_default"] == released["tokens"]


def test_outputs_equal_those_of_the_released_module(exports, request):
    released = tf.saved_model.load(str(request.path.parents[1] / "testdata/tfhub1_tiny"), tags=[])
    ours = tf.saved_model.load(str(exports / "encoder"))
    rng = np.random.default_rng(3)
    ids = rng.integers(5, 200, [3, 11], np.int32)
    mask = (np.arange(11) < [[11], [7], [2]]).astype(np.int32)
    types = rng.integers(0, 2, [3, 11], np.int32)
    # All positions are of real tokens, because our module skips padding.
    positions = np.array([[0, 10], [6, 1], [1, 0]], np.int32)
    inputs = dict(input_ids=ids, input_mask=mask, segment_ids=types, mlm_positions=positions)
    for name in ("tokens", "mlm", "sop"):
        feeds = {n: tf.constant(inputs[n]) for n in inputs if name == "mlm" or "mlm" not in n}
        outputs, expected = ours.signatures[name](**feeds), released.signatures[name](**feeds)
        assert set(outputs) == set(expected)
        expected["sequence_output"] *= mask[:, :, np.newaxis]
        for key, value in expected.items():
            np.testing.assert_allclose(outputs[key], value, atol=1e-5, err_msg=f"{name} {key}")
    both = [m.signatures["tokenization_info"]()["do_lower_case"] for m in (ours, released)]
    assert bool(both[0]) == bool(both[1])


def test_a_version_is_exported_to_a_numbered_folder(source, tmp_path):
    (tmp_path / "encoder/6").mkdir(parents=True)
    path = hub_encoder.export(source, tmp_path / "encoder", check=False, version="next")
    assert path == tmp_path / "encoder/7" and (path / "saved_model.pb").is_file()
    with pytest.raises(InputError, match="whole number below .* Received 'v3'"):
        hub_encoder.export(source, tmp_path / "encoder", version="v3")


def test_an_encoder_uses_only_ops_of_tensorflow(exports):
    written = manifest.read(exports / "encoder")
    assert written["custom_ops"] == []
    assert {"MatMul", "Assert", "Softmax"} <= set(written["ops"])


def test_the_graph_contains_the_encoder_once_for_each_way_to_run_it(exports):
    functions = [
        function.signature.name
        for function in graph(exports / "encoder").graph_def.library.function
        if any(node.op == "Softmax" for node in function.node_def)
    ]
    assert len(functions) == 3  # Calls with training, calls without training, and signatures.


def test_the_manifest_contains_config_and_parameters(exports):
    written = manifest.read(exports / "encoder")
    assert written["kind"] == "hub_encoder"
    assert written["config"] == AlbertConfig.from_dict(written["config"]).to_dict()
    assert written["config"]["embedding_size"] == 16
    # Counted by hand from variables.txt of the golden.
    assert written["parameters"] == {"encoder": 14048, "masked_lm": 760, "sentence_order": 66}
    assert written["preprocessing"] == {
        "lower_case": True,
        "keep_accents": False,
        "rules": "original",
    }


def test_the_tokenizer_can_be_read_from_the_export(exports, source):
    text = "Read it, 1,000 times."
    ours = AlbertTokenizer.from_pretrained(exports / "encoder").tokenize(text)
    assert ours == AlbertTokenizer.from_pretrained(source).tokenize(text)
    assert len(ours) > 4


def test_a_source_without_a_head_is_exported_without_its_signature(source, tmp_path):
    config = AlbertConfig.from_json_file(source / "albert_config.json")
    model = AlbertPretrainer(config)
    folder = tmp_path / "no-sop"
    folder.mkdir()
    for name in ("albert_config.json", "small.model", "small.preprocess.json"):
        shutil.copy(source / name, folder)
    tf.train.Checkpoint(encoder=model.encoder, masked_lm=model.masked_lm).write(
        str(folder / "ckpt-1")
    )
    dest = hub_encoder.export(folder, tmp_path / "export", check=False)
    written = manifest.read(dest)
    assert set(written["signatures"]) == {"serving_default", "tokens", "mlm", "tokenization_info"}
    assert set(written["parameters"]) == {"encoder", "masked_lm"}


def test_a_folder_with_content_is_rejected_before_any_work(tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(InputError, match="export directory must be new or empty.*1 entries"):
        hub_encoder.export(tmp_path / "no such source", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_a_source_without_vocabulary_is_rejected(source, tmp_path):
    folder = tmp_path / "source"
    shutil.copytree(source, folder)
    (folder / "small.model").unlink()
    with pytest.raises(InputError, match="must include its vocabulary.*--vocab"):
        hub_encoder.export(folder, tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_a_vocabulary_larger_than_the_model_is_rejected(source, request, tmp_path):
    larger = request.path.parents[1] / "testdata/tokenization/spm.model"
    with pytest.raises(InputError, match="1000 pieces for a model with vocab_size=200"):
        hub_encoder.export(source, tmp_path / "export", vocab=larger)
    assert not list(tmp_path.iterdir())


def test_an_unknown_key_in_the_config_is_rejected(source, tmp_path):
    folder = tmp_path / "source"
    shutil.copytree(source, folder)
    values = json.loads((folder / "albert_config.json").read_text())
    (folder / "albert_config.json").write_text(json.dumps({**values, "hiden_size": 32}))
    with pytest.raises(InputError, match="'hiden_size'. Closest: hidden_size"):
        hub_encoder.export(folder, tmp_path / "export")
