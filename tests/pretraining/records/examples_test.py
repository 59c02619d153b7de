import subprocess
import sys

import numpy as np
import tensorflow as tf

from albert_tf.pretraining.records.examples import STATIC, serialize

LENGTHS = {"S": 7, "P": 3, "1": 1}


def test_tensorflow_can_parse_the_records():
    rng = np.random.default_rng(0)
    arrays = {}
    for feature in STATIC:
        values = rng.integers(0, 40_000, (5, LENGTHS[feature.axis]))
        arrays[feature.name] = values.astype(feature.dtype)
    records = list(serialize(STATIC, arrays))
    assert len(records) == 5
    for row, record in enumerate(records):
        example = tf.train.Example.FromString(record)
        assert example.SerializeToString(deterministic=True)
        features = example.features.feature
        assert set(features) == set(arrays)
        for feature in STATIC:
            kind = "float_list" if feature.dtype == "float32" else "int64_list"
            assert features[feature.name].WhichOneof("kind") == kind
            values = list(getattr(features[feature.name], kind).value)
            assert values == arrays[feature.name][row].tolist()


def test_workers_do_not_import_tensorflow():
    code = (
        "import sys; import albert_tf.pretraining.records.instances;"
        "import albert_tf.quickstart.docstrings, albert_tf.pretraining.records.pretraining_data;"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
