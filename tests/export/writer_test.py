import pytest
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.export import manifest, writer


class Doubler(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": 2.0 * x}


def write(dest, **kwargs):
    module = Doubler()
    signatures, description = {"double": module.__call__}, {"kind": "doubler"}
    return writer.write(module, dest, signatures, description, "# Doubler\n", **kwargs)


def test_the_artefact_computes(tmp_path):
    dest = write(tmp_path / "new")
    loaded = tf.saved_model.load(str(dest))
    assert loaded.signatures["double"](x=tf.constant([[1.0, -2.0, 3.0]]))["y"].numpy().tolist() == [
        [2.0, -4.0, 6.0]
    ]
    assert (dest / "README.md").read_text() == "# Doubler\n"


def test_verification_sees_the_finished_folder_before_it_has_its_name(tmp_path):
    seen = []

    def verify(path):
        assert not (tmp_path / "new").exists()
        seen.append(manifest.read(path)["kind"])

    write(tmp_path / "new", verify=verify)
    assert seen == ["doubler"]


def test_a_failed_verification_leaves_nothing(tmp_path):
    def verify(path):
        raise RuntimeError("differs")

    with pytest.raises(RuntimeError, match="differs"):
        write(tmp_path / "new", verify=verify)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(InputError, match="export directory must be new or empty"):
        write(tmp_path)
    assert (tmp_path / "mine").read_text() == "kept"
    assert len(list(tmp_path.iterdir())) == 1
