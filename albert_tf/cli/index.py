"""Embed the texts of files and write an index of them, which `albert-tf search` reads.

    albert-tf index --model albert_base_v2 --input films.csv --output films.index
    albert-tf index --model mine --input 'text/*.jsonl' --output all.index --keep_columns id,url

MODEL, --pooling, --normalize and the input files are those of `albert-tf embed`. The index has the
text and the columns --keep_columns; if "id" is one of them, hits have this id, and otherwise the
number of the text, from 0.

The output is a new folder: vectors.npy, texts.jsonl and manifest.json, which names the model. More
than 100,000 vectors have a graph too, which finds the nearest of them without comparing all; its
recall is measured and printed. It needs the package usearch: pip install 'albert-tf[search]'.

The same command goes on after a stop, as `albert-tf predict` does.
"""

from __future__ import annotations

import argparse

from albert_tf.cli import embed, predict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `albert-tf index`."""
    predict.add_file_arguments(parser, embed.MODEL)
    embed.add_pooling_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Writes the index."""
    import sys

    from albert_tf.data.row_report import RowReport
    from albert_tf.errors import InputError
    from albert_tf.tasks.answer_files import AnswerFile
    from albert_tf.tasks.embedding import index_folder, nearest, search_index
    from albert_tf.tasks.fine_tuning_config import FineTuningDataConfig
    from albert_tf.tasks.predictor import Predictor

    if args.output == "-":
        raise InputError(
            "An index is written to a folder. Received --output -. Name a new folder with --output."
        )
    model = embed.source(args)
    embed.keep_text(args, model)
    embed.make_room(args.output, index_folder.WHAT)

    def answer_file(predictor: Predictor, params: FineTuningDataConfig) -> AnswerFile:
        rows = predictor.task.rows(params, False, RowReport())
        nearest.check_installed(lambda: sum(1 for _ in rows))
        about = search_index.description(predictor, args.model_dir, params.seq_length)
        return index_folder.IndexFile(predictor.kept, about)

    predict.write(args, model, answer_file=answer_file)
    print(index_folder.Folder(args.output), file=sys.stderr)
