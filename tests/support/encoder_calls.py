"""All the ways to call an exported encoder, for clean_process_program.py."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras
from tensorflow.python.tools import saved_model_cli

PATH = "hub/encoder"
KEY = "pooled_output"


def functional(layer):
    """Returns a Keras model with two outputs: the pooled output of the encoder, and a head."""
    names = ("input_word_ids", "input_mask", "input_type_ids")
    inputs = {name: tf_keras.Input([None], dtype=tf.int32, name=name) for name in names}
    pooled = layer(inputs)[KEY]
    return tf_keras.Model(inputs, {KEY: pooled, "head": tf_keras.layers.Dense(2)(pooled)})


def fitted_and_saved(text_inputs, labels):
    """Returns a model's outputs before fitting, after fitting, and after saving and loading."""
    model = functional(hub.KerasLayer(PATH, trainable=True))
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.legacy.Adam(1e-2), {"head": loss})
    before = model.predict(text_inputs, verbose=0)[KEY]
    model.fit(text_inputs, {"head": labels}, verbose=0)
    after = model.predict(text_inputs, verbose=0)[KEY]
    assert np.max(np.abs(after - before)) > 1e-3
    model.save("fitted")
    loaded = tf_keras.models.load_model("fitted")
    return before, after, loaded.predict(text_inputs, verbose=0)[KEY]


def by_command(hub_inputs):
    """Runs `saved_model_cli run` in this process and returns the output."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["run", "--dir", PATH, "--tag_set", "serve", "--signature_def", "tokens"]
        files = [f"{name}={Path(folder, name)}.npy" for name in hub_inputs]
        for name, value in hub_inputs.items():
            np.save(Path(folder, name), value)
        words += ["--inputs", ";".join(files), "--outdir", folder]
        args = saved_model_cli.create_parser().parse_args(words)
        args.func()
        return np.load(Path(folder, f"{KEY}.npy"))


def under_mixed_precision(text_inputs):
    tf_keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = functional(hub.KerasLayer(PATH, dtype=tf.float32))
        outputs = model(text_inputs)
        assert outputs["head"].dtype == tf.float16
        return outputs[KEY]
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")


def on_two_replicas(text_inputs):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        layer = hub.KerasLayer(PATH, trainable=True)
    size = len(text_inputs["input_mask"]) // 2 * 2
    data = tf.data.Dataset.from_tensor_slices(text_inputs).take(size).batch(size)
    (batch,) = strategy.experimental_distribute_dataset(data)
    run = tf.function(lambda inputs: strategy.run(lambda x: layer(x)[KEY], (inputs,)))
    return np.concatenate(strategy.experimental_local_results(run(batch)))


def ways(text_inputs, hub_inputs):
    """Yields each way to run the encoder: its name, its pooled output, and the expected output.

    The expected output is None if it is that of the golden.
    """
    yield "a frozen layer", hub.KerasLayer(PATH)(text_inputs)[KEY], None
    yield "a trainable layer", hub.KerasLayer(PATH, trainable=True)(text_inputs)[KEY], None
    layer = hub.KerasLayer(PATH, signature="tokens", output_key=KEY)
    yield "a layer for a signature", layer(hub_inputs), None
    before, after, loaded = fitted_and_saved(
        text_inputs, np.arange(len(hub_inputs["input_mask"])) % 2
    )
    yield "a functional model", before, None
    yield "a functional model, fitted, saved and loaded", loaded, after
    module = tf.saved_model.load(PATH)
    yield "tf.saved_model.load", module(text_inputs)[KEY], None
    yield "a signature", module.signatures["tokens"](**hub_inputs)[KEY], None
    yield "saved_model_cli", by_command(hub_inputs), None
    yield "mixed precision", under_mixed_precision(text_inputs), None
    layer = keras.layers.TFSMLayer(PATH, call_endpoint="__call__")
    yield "Keras 3", layer(text_inputs)[KEY], None
    yield "two replicas", on_two_replicas(text_inputs), None
