"""Uses the exports in a process that has TensorFlow and TF-Hub, but not this package.

    python clean_process_program.py GOLDEN README ANSWER.json

Run it in the folder that contains `hub/encoder` and `hub/preprocessor`. It writes its results by
topic, and clean_process_test.py checks them. A single process computes all of them, because
importing TensorFlow takes long.
"""

import json
import re
import sys
from pathlib import Path

sys.modules["albert_tf"] = None  # Makes any import of albert_tf fail.

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tensorflow_hub as hub  # noqa: E402
import tensorflow_text  # noqa: E402, F401
import tf_keras  # noqa: E402

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

import encoder_calls  # noqa: E402

ENCODER, PREPROCESSOR = "hub/encoder", "hub/preprocessor"
HUB_NAMES = ("input_ids", "input_mask", "segment_ids")
TEXT_NAMES = ("input_word_ids", "input_mask", "input_type_ids")
LAYERS = 3


def difference(ours, theirs):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    return float(np.max(np.abs(ours - theirs)))


def golden(file, prefix=""):
    with np.load(Path(sys.argv[1], file)) as arrays:
        return {k[len(prefix) :]: arrays[k] for k in arrays.files if k.startswith(prefix)}


IO = golden("io.npz")
HUB_INPUTS = {name: tf.constant(IO[name]) for name in HUB_NAMES}
TEXT_INPUTS = dict(zip(TEXT_NAMES, HUB_INPUTS.values()))
MODULE = hub.load(ENCODER)


def signatures():
    """Returns the largest difference between each output of each signature and the golden."""
    results = {}
    for name in ("serving_default", "tokens", "mlm", "sop"):
        inputs = dict(HUB_INPUTS)
        if name == "mlm":
            inputs["mlm_positions"] = tf.constant(IO["mlm_positions"])
        outputs = MODULE.signatures[name](**inputs)
        # Signatures skip padding.
        assert not np.any(outputs["sequence_output"][IO["input_mask"] == 0])
        expected = {**IO, "sequence_output": IO["sequence_output"] * IO["input_mask"][..., None]}
        if name == "mlm":
            real = np.take_along_axis(IO["input_mask"], IO["mlm_positions"], 1).reshape([-1, 1])
            assert 0 < real.sum() < real.size  # Logits at padding have no meaning.
            outputs["mlm_logits"] *= real
            expected["mlm_logits"] = expected["mlm_logits"] * real
        results[name] = {key: difference(value, expected[key]) for key, value in outputs.items()}
    return results


def tokenization_info():
    info = MODULE.signatures["tokenization_info"]()
    path = info["vocab_file"].numpy().decode()
    return {
        "inside": Path(path).resolve().is_relative_to(Path(ENCODER).resolve()),
        "exists": Path(path).is_file(),
        "name": Path(path).name,
        "do_lower_case": bool(info["do_lower_case"]),
        "attribute": bool(MODULE.do_lower_case.numpy()),
    }


def calls():
    """Returns the differences between calls and the golden, for both families of input names."""
    results = {}
    for family, inputs in (("hub", HUB_INPUTS), ("text", TEXT_INPUTS)):
        outputs = MODULE(inputs)
        assert sorted(outputs) == [
            "default",
            "encoder_outputs",
            "pooled_output",
            "sequence_output",
        ]
        results[family] = {
            "pooled_output": difference(outputs["pooled_output"], IO["pooled_output"]),
            "default": difference(outputs["default"], IO["pooled_output"]),
            "sequence_output": difference(outputs["sequence_output"], IO["sequence_output"]),
            "encoder_outputs": difference(
                np.stack(outputs["encoder_outputs"]), IO["all_encoder_layers"]
            ),
        }
    rows, positions = IO["mlm_positions"].shape
    logits = IO["mlm_logits"].reshape([rows, positions, -1])
    for family, inputs, key in (
        ("hub mlm", HUB_INPUTS, "mlm_positions"),
        ("text mlm", TEXT_INPUTS, "masked_lm_positions"),
    ):
        outputs = MODULE.mlm({**inputs, key: tf.constant(IO["mlm_positions"])})
        results[family] = {
            "mlm_logits": difference(outputs["mlm_logits"], logits),
            "pooled_output": difference(outputs["pooled_output"], IO["pooled_output"]),
        }
    return results


def keras_signature():
    """Returns the differences between hub.KerasLayer for a signature and the call."""
    layer = hub.KerasLayer(ENCODER, signature="tokens", signature_outputs_as_dict=True)
    outputs, called = layer(HUB_INPUTS), MODULE(HUB_INPUTS)
    called["sequence_output"] *= IO["input_mask"][..., None]  # The signature skips padding.
    return {key: difference(value, called[key]) for key, value in outputs.items()}


def ways():
    """Returns the difference from the golden for each way to run the encoder (encoder_calls.py)."""
    results = {}
    for name, pooled, expected in encoder_calls.ways(TEXT_INPUTS, HUB_INPUTS):
        expected = IO["pooled_output"][: len(pooled)] if expected is None else expected
        results[name] = difference(pooled, expected)
    return results


def variables():
    layer = hub.KerasLayer(ENCODER, trainable=True)
    frozen = hub.KerasLayer(ENCODER, trainable=False)
    layer(TEXT_INPUTS)
    count = lambda group: int(sum(np.prod(v.shape) for v in group))  # noqa: E731
    return {
        "weights": len(layer.trainable_weights),
        "numbers": count(layer.trainable_weights),
        "frozen": len(frozen.trainable_weights),
        "all": len(MODULE.variables),
        "mlm": len(MODULE.mlm.trainable_variables),
        "mlm numbers": count(MODULE.mlm.trainable_variables),
        "losses": len(layer.losses) + len(MODULE.regularization_losses),
    }


def fit():
    """Trains one step with Keras, from text through tf.data, preprocessor and encoder."""
    preprocess = hub.load(PREPROCESSOR)
    layer = hub.KerasLayer(ENCODER, trainable=True)
    inputs = {name: tf_keras.Input([None], dtype=tf.int32, name=name) for name in TEXT_NAMES}
    outputs = layer(inputs)
    logits = tf_keras.layers.Dense(2)(outputs["pooled_output"] + outputs["sequence_output"][:, 1])
    model = tf_keras.Model(inputs, logits)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.SGD(0.1), loss)
    texts = tf.constant(["the first of all texts", "a second, that is longer than the first"])
    data = tf.data.Dataset.from_tensor_slices((texts, tf.constant([1, 0]))).batch(2)
    data = data.map(lambda text, label: (preprocess(text), label))
    before = [v.numpy() for v in layer.trainable_weights]
    history = model.fit(data, epochs=1, verbose=0).history
    changes = [difference(v, b) for v, b in zip(layer.trainable_weights, before)]
    return {
        "loss": history["loss"],
        "unchanged": [v.name for v, c in zip(layer.trainable_weights, changes) if c == 0.0],
        "changed": sum(c > 0.0 for c in changes),
    }


def dropout():
    """Returns the differences between two consecutive identical calls, by kind of call."""
    trainable = hub.KerasLayer(ENCODER, trainable=True)
    frozen = hub.KerasLayer(ENCODER, trainable=False)
    positions = {"masked_lm_positions": tf.constant(IO["mlm_positions"])}

    def twice(call, key="pooled_output"):
        return difference(call()[key], call()[key])

    return {
        "trainable layer in training": twice(lambda: trainable(TEXT_INPUTS, training=True)),
        "call in training": twice(lambda: MODULE(HUB_INPUTS, training=True)),
        "mlm in training": twice(
            lambda: MODULE.mlm({**TEXT_INPUTS, **positions}, training=True), "mlm_logits"
        ),
        "trainable layer": twice(lambda: trainable(TEXT_INPUTS)),
        "frozen layer in training": twice(lambda: frozen(TEXT_INPUTS, training=True)),
        "call": twice(lambda: MODULE(HUB_INPUTS)),
    }


def preprocessing():
    """Runs preprocessor and encoder inside and outside tf.data and compares the outputs."""
    preprocess = hub.load(PREPROCESSOR)
    texts = tf.constant(["one text", "", "and another, with more words in it", "x", "the end."])
    data = tf.data.Dataset.from_tensor_slices(texts).batch(2)
    rows = list(data.map(lambda x: MODULE(preprocess(x))["pooled_output"]))
    inputs = preprocess(texts)
    tokens = [preprocess.tokenize(texts)]
    packed = preprocess.bert_pack_inputs(tokens, seq_length=tf.constant(23))
    uncut = [1, 3]  # Texts that fit into both lengths.
    return {
        "difference": difference(np.concatenate(rows), MODULE(inputs)["pooled_output"]),
        "longer": difference(
            tf.gather(MODULE(packed)["pooled_output"], uncut),
            tf.gather(MODULE(inputs)["pooled_output"], uncut),
        ),
        "longer length": packed["input_word_ids"].shape[1] or len(packed["input_word_ids"][0]),
        "length": inputs["input_word_ids"].shape[1],
        "empty": inputs["input_word_ids"][1, :3].numpy().tolist(),
        "spread": float(np.std(np.concatenate(rows), axis=0).max()),
    }


def all_masked():
    """Returns the differences from the golden for a row without any attended position."""
    edge = golden("io_edge.npz", "allmasked__")
    outputs = MODULE({name: tf.constant(edge[name]) for name in HUB_NAMES})
    return {
        key: difference(outputs[key], edge[key]) for key in ("pooled_output", "sequence_output")
    }


def lengths():
    """Runs one module with one position, with the maximum length, and with a single row."""
    results = {}
    for prefix in ("maxlen__", "len1__"):
        edge = golden("io_edge.npz", prefix)
        outputs = MODULE({name: tf.constant(edge[name]) for name in HUB_NAMES})
        results[prefix] = difference(outputs["sequence_output"], edge["sequence_output"])
    one = MODULE({name: value[3:4] for name, value in HUB_INPUTS.items()})
    results["one row"] = difference(one["pooled_output"], IO["pooled_output"][3:4])
    return results


def errors():
    """Returns the errors that the loaded module raises for invalid input."""
    zeros = {name: tf.zeros([2, 41], tf.int32) for name in HUB_NAMES}
    wrong = {
        "too long": lambda: MODULE(zeros),
        "too long for a signature": lambda: MODULE.signatures["tokens"](**zeros),
        "id": lambda: MODULE({**HUB_INPUTS, "input_ids": HUB_INPUTS["input_ids"] + 200}),
        "negative id": lambda: MODULE({**HUB_INPUTS, "input_ids": HUB_INPUTS["input_ids"] - 300}),
        "type": lambda: MODULE({**HUB_INPUTS, "segment_ids": HUB_INPUTS["segment_ids"] + 2}),
        "shape": lambda: MODULE({**HUB_INPUTS, "input_mask": HUB_INPUTS["input_mask"][:1]}),
        "position": lambda: MODULE.mlm(
            {**HUB_INPUTS, "mlm_positions": tf.constant(IO["mlm_positions"]) + 24}
        ),
    }
    results = {}
    for name, call in wrong.items():
        try:
            call()
            results[name] = "no error"
        except Exception as error:  # noqa: BLE001
            results[name] = f"{type(error).__name__}: {error}"
    return results


def saved_again():
    """Saves a loaded module and loads it again."""
    tf.saved_model.save(MODULE, "again", signatures=dict(MODULE.signatures))
    again = hub.load("again")
    return {
        "difference": difference(again(HUB_INPUTS)["pooled_output"], IO["pooled_output"]),
        "variables": len(again.trainable_variables),
        "assets": sorted(path.name for path in Path("again/assets").iterdir()),
    }


def snippets(path):
    return re.findall(r"```python\n(.*?)```", Path(path).read_text(), re.DOTALL)


def readme():
    """Runs the unmodified snippets of the README on these exports."""
    chosen = [snippet for snippet in snippets(sys.argv[2]) if '"hub/' in snippet]
    for snippet in chosen:
        exec(compile(snippet, "README.md", "exec"), {})
    return len(chosen)


def cards():
    """Runs the snippet in the README of each artefact, with its path filled in."""
    results = {}
    for path in (ENCODER, PREPROCESSOR):
        (snippet,) = snippets(f"{path}/README.md")
        names = {}
        exec(compile(snippet.replace("path/to/this/folder", path), "README.md", "exec"), names)
        results[path] = {
            name: {
                key: value.shape.as_list()
                for key, value in names[name].items()
                if hasattr(value, "shape")
            }
            for name in ("outputs", "inputs", "longer")
            if name in names
        }
    return results


TOPICS = (
    signatures,
    tokenization_info,
    calls,
    keras_signature,
    ways,
    variables,
    fit,
    dropout,
    preprocessing,
    all_masked,
    lengths,
    errors,
    saved_again,
    readme,
    cards,
)

if __name__ == "__main__":
    Path(sys.argv[3]).write_text(json.dumps({topic.__name__: topic() for topic in TOPICS}))
