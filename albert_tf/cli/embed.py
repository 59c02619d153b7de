"""Compute a vector for each text of files or of standard input.

    albert-tf embed --model albert_base_v2 --input texts.csv --output vectors.npy
    albert-tf embed --model mine --input 'text/*.txt' --output v.parquet --keep_columns id
    echo 'a fine film' | albert-tf embed --model albert_base_v2 --normalize

MODEL is a model for embeddings, such as a folder of sentence-transformers, which says how the
vectors of tokens become one; or any other model, of which --pooling chooses it.

Input files are tables with the column text, JSON Lines, or files with a text on each line. The
order of the vectors is that of the texts. The extension of --output selects the format: .npy, an
array float32 [texts, size] that numpy.load also reads piece by piece; .parquet, .tfrecord (records
of tf.train.Example), .csv, .tsv and .jsonl, which take the columns --keep_columns of the input too.
--projector writes a folder for `tensorboard --logdir` instead, which draws the vectors.

Texts may be any number: memory does not depend on it, and the same command goes on after a stop,
as `albert-tf predict` does.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from albert_tf.cli import predict

if TYPE_CHECKING:
    from albert_tf.formats.source import Source

MODEL = "name, folder, checkpoint or handle of any model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `albert-tf embed`."""
    predict.add_file_arguments(parser, MODEL)
    parser.add_argument(
        "--projector",
        metavar="DIR",
        help="new folder for TensorBoard's projector, in place of --output: vectors.tsv, "
        "metadata.tsv with the texts and kept columns, and projector_config.pbtxt",
    )
    add_pooling_arguments(parser)


def add_pooling_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say how the vectors of tokens become one."""
    parser.add_argument(
        "--pooling",
        default="",
        help="cls, max, mean, mean_sqrt_len, weighted_mean, last or pooled, or several of them, "
        "separated by commas, whose vectors are joined (default: that of the model, or mean)",
    )
    parser.add_argument("--normalize", action="store_true", help="divide each vector by its length")
    parser.add_argument(
        "--dimensions",
        type=int,
        help="keep so many numbers of each vector, before it is normalized (default: all)",
    )
    parser.add_argument(
        "--windows",
        default="",
        help="first, mean or max: what is read of texts that are longer than the model: the first "
        "tokens, or windows of all tokens, whose vectors are pooled (default: as the model)",
    )


def run(args: argparse.Namespace) -> None:
    """Writes the vectors."""
    if args.projector is None:
        predict.write(args, source(args))
        return
    from albert_tf.errors import InputError
    from albert_tf.tasks.embedding import projector

    if args.output != "-":
        raise InputError(
            f"Vectors are written to one place. Received --output '{args.output}' and --projector "
            f"'{args.projector}'. Leave one out."
        )
    args.output = args.projector
    model = source(args)
    keep_text(args, model)
    make_room(args.output, projector.WHAT)
    predict.write(args, model, answer_file=lambda model, _: projector.Projector(model.kept))


def make_room(folder: str, what: str) -> None:
    """Checks that a folder can be written as a whole; `what` names it. An empty one is removed.

    Raises:
      InputError: it is not empty, or cannot be written.
    """
    import os

    from albert_tf import files

    files.check_new_directory(folder, what)
    if os.path.isdir(folder):
        os.rmdir(folder)


def source(args: argparse.Namespace) -> Source:
    """Returns the model that the flags choose."""
    from albert_tf.tasks.embedding.model import as_embedding

    return as_embedding(args.model_dir, args.pooling, args.normalize, args.dimensions, args.windows)


def keep_text(args: argparse.Namespace, model: Source) -> None:
    """Puts the column of the text before those that --keep_columns names."""
    column = model.task.settings.get("text", "text")
    args.keep_columns = ",".join(filter(None, [column, args.keep_columns]))
