import hashlib

import tensorflow as tf

from albert_tf.export import manifest
from albert_tf.version import __version__


def test_the_manifest_has_the_checksum_of_every_file(exports):
    folder = exports / "encoder"
    files = manifest.read(folder)["files"]
    assert set(files) == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    } - {"manifest.json"}
    for name, digest in files.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_the_manifest_has_types_and_shapes_of_signatures(exports):
    written = manifest.read(exports / "encoder")["signatures"]
    assert written["mlm"]["inputs"]["mlm_positions"] == {"dtype": "int32", "shape": [-1, -1]}
    assert written["mlm"]["outputs"]["mlm_logits"] == {"dtype": "float32", "shape": [-1, 200]}
    assert written["sop"]["outputs"]["sop_log_probs"] == {"dtype": "float32", "shape": [-1, 2]}
    assert written["tokenization_info"]["outputs"]["vocab_file"] == {"dtype": "string", "shape": []}


def test_the_manifest_has_the_versions_of_the_packages(exports):
    written = manifest.read(exports / "preprocessor")
    assert (written["albert_tf"], written["tensorflow"]) == (__version__, tf.__version__)


def test_ops_that_only_a_method_uses_are_listed(exports):
    written = manifest.read(exports / "preprocessor")
    # `tokenize_with_offsets` is not part of any signature.
    assert "SentencepieceTokenizeWithOffsetsOp" in written["custom_ops"]
    assert set(written["custom_ops"]) <= set(written["ops"])
    assert not {"Shape", "Where"} & set(written["custom_ops"])
    assert not [op for op in written["ops"] if op.startswith("__inference")]
