"""Run a fine-tuned model on files or on standard input.

    albert-tf predict --model runs/mine --input new.csv --output answers.jsonl
    echo 'a fine film' | albert-tf predict --model runs/mine
    echo 'It is a [MASK] film.' | albert-tf predict --model albert_base_v2

The task of the model determines the predictions: classes, labels or numbers for texts, answer spans
for questions, labels for words, or the chosen option. A pretrained model fills in each [MASK].

Input files have the format of the training data, and labels are not needed: tables with the same
columns, SQuAD files, RACE files or CoNLL files. Standard input has one text per line (with a tab
between the two texts of a pair), for tagging one word per line, for multiple choice a RACE passage,
and for question answering a SQuAD file. Use --input_as for other formats.

The output has one JSON object per line, in the order of the input. In tables and lines of text, a
blank line gets an answer too. The extension of --output selects another format: .tsv for classes or
numbers, with the columns index and prediction, as GLUE requires; .json for question answering, with
a text for each question id, as SQuAD's evaluation requires; .txt for tagging, with a word and its
label per line, as in the input.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `albert-tf predict`."""
    parser.add_argument(
        *("--model", "--model_dir"),
        dest="model_dir",
        required=True,
        metavar="MODEL",
        help="name, folder, checkpoint or handle of a model with a task head; a run means its "
        "best checkpoint",
    )
    parser.add_argument(
        "--input",
        default="-",
        metavar="GLOB",
        help="input file or files; - is standard input (default: -)",
    )
    parser.add_argument(
        "--input_as",
        metavar="EXTENSION",
        help="format of standard input, as a file extension such as .csv or .jsonl (default: that "
        "of the task, see above)",
    )
    parser.add_argument(
        "--output",
        default="-",
        metavar="FILE",
        help="output file; - is standard output (default: -)",
    )
    parser.add_argument(
        "--batch_size",
        type=int,
        default=32,
        help="examples to compute at once (default: %(default)s)",
    )
    parser.add_argument(
        "--seq_length", type=int, help="maximum sequence length in tokens (default: as in training)"
    )
    parser.add_argument(
        "--top_k", type=int, help="number of predictions for each [MASK] (default: 5)"
    )


def run(args: argparse.Namespace) -> None:
    """Writes the predictions."""
    import sys
    import tempfile
    from pathlib import Path

    from albert_tf import files
    from albert_tf.tasks.predictor import Predictor

    if args.output != "-":
        files.check_writable(Path(args.output).absolute().parent, "The folder of --output")
    settings = {} if args.top_k is None else {"top_k": args.top_k}
    predictor = Predictor(args.model_dir, **settings)
    print(f"model: {predictor.source}, {predictor.task.describe().task}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        path = args.input
        if path == "-":
            path = Path(folder) / f"stdin{args.input_as or predictor.task.INPUT}"
            path.write_bytes(sys.stdin.buffer.read())
        answers = predictor(path, args.batch_size, args.seq_length)
        if args.output == "-":
            sys.stdout.write(predictor.task.written(answers, ".jsonl"))
            return
        text = predictor.task.written(answers, Path(args.output).suffix)
    with files.replacing(args.output) as temporary:
        temporary.write_text(text, encoding="utf-8")
