"""Show the contents of a model: format, config, variables, heads and preprocessing.

    albert-tf inspect albert_base_v2

SOURCE is the name of a released model, a folder in any format that `albert-tf convert` reads, a
checkpoint or a handle. A run means its best checkpoint. Only names and shapes of the weights are
read, not their values.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "source", metavar="SOURCE", help="name, folder, checkpoint or handle of a model"
    )


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    from albert_tf.embedding_settings import EmbeddingSettings
    from albert_tf.formats.load import load
    from albert_tf.task_types import EMBEDDING

    source = load(args.source)
    print(f"model: {source}")
    print(f"format: {source.format}")
    print("config:")
    for key, value in source.config.to_dict().items():
        print(f"  {key}: {value}")
    if source.task is not None:
        print(f"task: {source.task.task}")
        if source.task.task == EMBEDDING:
            settings = EmbeddingSettings.of(source.task.settings)
            print(f"vectors: {settings.steps(source.config.hidden_size)}")
        if source.task.labels:
            print(f"labels: {', '.join(source.task.labels)}")
    if source.classifier_dropout is not None:
        print(f"classifier dropout: {source.classifier_dropout}")
    for part, epsilon in source.epsilon.items():
        print(f"layer norm epsilon of {part}: {epsilon}")
    print("variables:")
    for name in source.weights:
        print(f"  {name}  {list(source.weights.shape(name))}")
    print(f"parameters: {source.weights.parameters:,}")
    print(f"heads: {', '.join(source.heads) or 'none'}")
    if source.step is not None:
        print(f"step: {source.step:,}")
    print(f"vocabulary: {source.model_file.name if source.model_file else 'none'}")
    print(f"preprocessing: {source.preprocessing or 'unknown'}")
    for kind, count in source.skipped.items():
        if count:
            print(f"skipped {kind}: {count}")
    for name in source.unread:
        print(f"not recognised: {name}")
    for note in source.notes:
        print(f"note: {note}")
