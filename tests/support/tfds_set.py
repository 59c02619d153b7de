"""Writes a small data set in the format of tensorflow-datasets."""

import pytest
import tensorflow as tf


def store(folder, **splits):
    """Writes the data set "toy" to a folder.

    Each split consists of texts and the indices of their labels. The labels are "no" and "yes"; -1
    means no label.
    """
    import tensorflow_datasets as tfds

    if not hasattr(tfds, "features"):
        pytest.skip("TensorFlow Datasets need Python 3.11 beside TensorFlow 2.20.")
    label = tfds.features.ClassLabel(names=["no", "yes"])
    tfds.dataset_builders.store_as_tfds_dataset(
        name="toy",
        version="1.0.0",
        data_dir=folder,
        features=tfds.features.FeaturesDict({"text": tfds.features.Text(), "label": label}),
        split_datasets={
            name: tf.data.Dataset.from_tensor_slices(dict(text=texts, label=labels))
            for name, (texts, labels) in splits.items()
        },
    )
