"""Measure the vectors of a model on relevant documents, or on the similarity of pairs of texts.

    albert-tf evaluate --model mine --input scifact --baseline albert_base_v2
    albert-tf evaluate --model mine --input sts/dev.tsv --output scores.json

If --input is a folder, it has the files of BEIR: corpus.jsonl with _id, title and text of each
document, queries.jsonl with _id and text, and qrels.tsv or qrels/test.tsv with the columns
query-id, corpus-id and score. Documents are ranked by the cosine of their vectors with that of the
query. If it is a file, it is a table or JSON Lines with pairs of texts and a score, whose
correlation with the cosine is computed.

Beside the model and --baseline, such as the encoder that it was trained from, the table has what
the words of the texts alone can do (BM25 for queries, the share of common words for pairs), and
random vectors.
"""

from __future__ import annotations

import argparse

from albert_tf.cli import embed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `albert-tf evaluate`."""
    parser.add_argument(
        "--model",
        dest="model_dir",
        required=True,
        metavar="MODEL",
        help="name, folder, checkpoint or handle of any model; a run means its best checkpoint",
    )
    parser.add_argument(
        "--input", required=True, metavar="PATH", help="folder of BEIR, or file of pairs"
    )
    parser.add_argument("--baseline", metavar="MODEL", help="another model to compare with")
    parser.add_argument(
        "--qrels", metavar="FILE", help="table of relevant documents (default: see above)"
    )
    parser.add_argument(
        "--columns",
        metavar="NAMES",
        help="columns of pairs: two texts and a number (default: sentence1,sentence2,score)",
    )
    parser.add_argument("--output", metavar="FILE", help="JSON file to write the metrics to")
    embed.add_pooling_arguments(parser)
    parser.add_argument(
        "--batch_size", type=int, default=32, help="texts to compute at once (default: %(default)s)"
    )
    parser.add_argument(
        "--seq_length", type=int, help="maximum sequence length in tokens (default: as in training)"
    )


def run(args: argparse.Namespace) -> None:
    """Prints and writes the metrics."""
    import functools
    import json
    import os
    from pathlib import Path

    from albert_tf import files
    from albert_tf.errors import InputError
    from albert_tf.tasks.embedding import evaluation, evaluation_files
    from albert_tf.tasks.predictor import Predictor

    is_folder = os.path.isdir(os.path.expanduser(args.input))
    for flag, value, fits in (
        ("--qrels", args.qrels, is_folder),
        ("--columns", args.columns, not is_folder),
    ):
        if value is not None and not fits:
            raise InputError(
                "--qrels is for folders, --columns for files of pairs. Received "
                f"{flag} with '{args.input}'. Leave it out."
            )
    if args.output:
        files.check_writable(Path(args.output).absolute().parent, "The folder of --output")
    if is_folder:
        data, reports = evaluation_files.read_retrieval(args.input, args.qrels)
    else:
        columns = args.columns.split(",") if args.columns else evaluation_files.PAIR_COLUMNS
        data, reports = evaluation_files.read_pairs(args.input, columns)
    for report in reports:
        report.show()
    predictors = {}
    for name, model in (("model", args.model_dir), ("baseline", args.baseline)):
        if model:
            source = embed.source(argparse.Namespace(**{**vars(args), "model_dir": model}))
            predictor = Predictor(source, args.seq_length)
            predictor.params("", args.batch_size)  # checks both numbers
            print(f"{name}: {predictor.source}")
            predictors[name] = predictor
    systems = evaluation.compare(
        data,
        {
            name: functools.partial(predictor.embed, batch_size=args.batch_size)
            for name, predictor in predictors.items()
        },
    )
    counts = ", ".join(f"{report.kept:,} x {report.unit}" for report in reports)
    print(f"{counts}\n\n{evaluation.table(systems)}")
    if args.output:
        rows = {report.unit: report.to_dict() for report in reports}
        models = {name: str(predictor.source.path) for name, predictor in predictors.items()}
        values = {"input": args.input, "rows": rows, "models": models, "metrics": systems}
        with files.replacing(args.output) as temporary:
            text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
            temporary.write_text(text, encoding="utf-8")
