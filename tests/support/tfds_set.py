"""A small data set as tensorflow-datasets prepares them."""

import tensorflow as tf


def store(folder, **splits):
    """Prepares "toy" in a folder: for each split, texts and the indices of their labels.

    The labels are "no" and "yes"; -1 is none.
    """
    import tensorflow_datasets as tfds

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
