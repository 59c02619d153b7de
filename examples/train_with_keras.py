"""A day in Keras: from a table of reviews to a model that TensorFlow Serving runs.

    TF_CPP_MIN_LOG_LEVEL=3 python train_with_keras.py    # 3 hides TensorFlow's start-up messages

It trains on strings, on one text and on pairs, saves and loads the model, exports it, and uses the
exported encoder as a layer. Each step checks its result, so the script ends with an error if one is
wrong. With a released model, write "albert_base_v2" in place of the folder `tiny`, and a learning
rate of 1e-5 to 5e-5.
"""

import csv
import os
import tempfile
from pathlib import Path

import numpy as np
import reviews  # the file beside this one
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras
import tiny_model  # the file beside this one

from albert_tf import AlbertClassifier, AlbertTokenizer, Predictor
from albert_tf.export import hub_encoder, preprocessor, task_model

LABELS = list(reviews.SENTIMENTS)


def check(name: str, holds: bool, received: object) -> None:
    """Prints a result, and ends the script if it is not as it should be."""
    print(f"{'ok' if holds else 'WRONG'}  {name}: {received}")
    if not holds:
        raise SystemExit(f"train_with_keras.py: '{name}' does not hold. Received {received}.")


def read(path: Path) -> list[dict[str, str]]:
    """Returns the rows of a table that have a label, each once."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    kept = list({row["id"]: row for row in rows if row["sentiment"]}.values())
    print(f"{path.name}: {len(rows)} rows, {len(kept)} of them different and with a label")
    return kept


def classifier(source: str) -> tf_keras.Model:
    """Returns a classifier of strings that starts from the weights of a model."""
    tf_keras.utils.set_random_seed(0)
    model = AlbertClassifier.from_pretrained(source, labels=LABELS)
    model = model.with_preprocessing(AlbertTokenizer.from_pretrained(source), seq_length=48)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    return model


def main() -> None:
    """Runs all steps in the present folder."""
    reviews.write(Path("data"))
    texts = (text for row in (*reviews.rows(), *reviews.NEW) for text in row[1:3])
    tiny_model.write("tiny", texts)

    print("\n== Read the table, and hold out a quarter")
    rows = read(Path("data/reviews.csv"))
    review = np.array([row["review"] for row in rows])
    title = np.array([row["title"] for row in rows])
    label = np.array([LABELS.index(row["sentiment"]) for row in rows])
    train, test = np.split(np.arange(len(rows)), [3 * len(rows) // 4])
    baseline = max(np.mean(label[test] == 0), np.mean(label[test] == 1))
    new = tf.constant([row[2] for row in reviews.NEW])

    print("\n== Train on strings")
    model = classifier("tiny")
    data = tf.data.Dataset.from_tensor_slices((review[train], label[train]))
    model.fit(data.shuffle(1000, seed=0).batch(32), epochs=12, verbose=2)
    _, accuracy = model.evaluate(review[test], label[test], verbose=0)
    better = accuracy > baseline + 0.3
    check("accuracy on held-out reviews, and of the larger class", better, (accuracy, baseline))
    logits = model.predict(new, verbose=0)
    answers = [LABELS[index] for index in logits.argmax(-1)]
    check("new reviews", answers == [row[3] for row in reviews.NEW], answers)

    print("\n== Train on pairs of title and review")
    pairs = classifier("tiny")
    pairs.fit((title[train], review[train]), label[train], batch_size=32, epochs=12, verbose=2)
    _, accuracy = pairs.evaluate((title[test], review[test]), label[test], verbose=0)
    check("accuracy on held-out pairs", accuracy > baseline + 0.3, accuracy)

    print("\n== Save and load")
    model.save("reviews.keras")
    loaded = tf_keras.models.load_model("reviews.keras")
    difference = np.abs(loaded.predict(new, verbose=0) - logits).max()
    check("difference of reviews.keras", difference < 1e-6, difference)
    model.save_pretrained("saved")  # a folder for Predictor, predict, convert and export
    predicted = list(Predictor("saved", text="review")("data/new.csv"))
    expected = tf.nn.softmax(logits).numpy()
    probabilities = [list(answer["probabilities"].values()) for answer in predicted]
    difference = np.abs(np.array(probabilities) - expected).max()
    check("difference of Predictor", difference < 1e-5, difference)

    print("\n== Export for TensorFlow Serving")
    path = task_model.export("saved", "models/reviews")  # as `albert-tf export task`
    served = tf.saved_model.load(str(path)).signatures["serving_default"](text=new)
    difference = np.abs(served["probabilities"].numpy() - expected).max()
    check("difference of the export", difference < 1e-5, difference)

    print("\n== The fine-tuned encoder as a layer of another model")
    preprocessor.export("saved", "hub/preprocessor", seq_length=48, check=False)
    hub_encoder.export("saved", "hub/encoder", check=False)
    text = tf_keras.Input([], dtype=tf.string)
    inputs = hub.KerasLayer("hub/preprocessor")(text)
    vectors = hub.KerasLayer("hub/encoder", trainable=False)(inputs)["pooled_output"]
    scores = tf_keras.layers.Dense(1, activation="sigmoid")(vectors)
    probe = tf_keras.Model(text, scores)
    probe.compile(tf_keras.optimizers.Adam(1e-2), "binary_crossentropy", metrics=["accuracy"])
    probe.fit(review[train], label[train], batch_size=32, epochs=3, verbose=2)
    _, accuracy = probe.evaluate(review[test], label[test], verbose=0)
    check("accuracy with the frozen encoder", accuracy > baseline + 0.3, accuracy)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:  # All files go here.
        before = Path.cwd()
        os.chdir(folder)
        main()
        os.chdir(before)
    print("\ntrain_with_keras.py: everything is right.")
