"""Find the texts of an index that are nearest to queries.

    albert-tf search --index films.index --query 'a fine film'
    albert-tf search --index films.index --input queries.txt --output hits.jsonl --top 100
    echo 'a fine film' | albert-tf search --index films.index --json

`albert-tf index` writes the index, which knows its model; --model is for one that has moved. Each
hit has its rank, its id, its score, which is the cosine of its vector with that of the query, and
its text. Without --json, standard output is for people; files have a JSON object for each query.

Input files are those of `albert-tf embed`: tables with the column text, JSON Lines, or files with a
query on each line.
"""

from __future__ import annotations

import argparse

from albert_tf.cli import embed, predict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `albert-tf search`."""
    parser.add_argument(
        "--index", required=True, metavar="DIR", help="folder that `albert-tf index` has written"
    )
    parser.add_argument(
        "--query",
        action="append",
        metavar="TEXT",
        help="text to search for, in place of --input; may be repeated",
    )
    parser.add_argument(
        "--top", type=int, default=10, help="number of hits for a query (default: %(default)s)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print a JSON object for each query, as files have"
    )
    what = "the model of the index, if it is not where it was"
    predict.add_file_arguments(parser, what, needs_model=False)


def run(args: argparse.Namespace) -> None:
    """Writes the hits."""
    import sys
    from pathlib import Path

    from albert_tf.errors import InputError
    from albert_tf.tasks.answer_files import AnswerFile
    from albert_tf.tasks.embedding.hits import Hits, HitTable
    from albert_tf.tasks.embedding.search_index import SearchIndex, check_top
    from albert_tf.tasks.fine_tuning_config import FineTuningDataConfig
    from albert_tf.tasks.predictor import Predictor

    if args.query and args.input != "-":
        raise InputError(
            f"Queries come from --query or from --input. Received both, '{args.input}' and "
            f"{args.query[0]!r:.80}. Leave one out."
        )
    if args.query and args.output != "-":
        raise InputError(
            "The hits of --query are printed. Received --output "
            f"'{args.output}'. Write the queries to a file, and pass it with --input."
        )
    if args.output != "-" and Path(args.output).suffix != ".jsonl":
        raise InputError(
            f"Hits are written as .jsonl. Received --output '{args.output}'. Rename it."
        )
    check_top(args.top)
    index = SearchIndex.load(args.index, args.model_dir)
    form = Hits if args.json or args.output != "-" else HitTable
    if args.query:
        vectors = index.predictor.embed(args.query)
        answers = ({"text": t, "embedding": v} for t, v in zip(args.query, vectors))
        sys.stdout.write(form(index, args.top, ["text"]).text(answers))
        return
    model = index.source()
    embed.keep_text(args, model)

    def answer_file(predictor: Predictor, params: FineTuningDataConfig) -> AnswerFile:
        index.check(predictor)
        return form(index, args.top, predictor.kept)

    predict.write(args, model, answer_file=answer_file)
