"""Answer files, or standard input, with a fine-tuned model.

    albert-tf predict --model_dir runs/mine --input new.csv --output answers.jsonl
    echo 'a fine film' | albert-tf predict --model_dir runs/mine
    echo 'It is a [MASK] film.' | albert-tf predict --model_dir albert_base_v2/

The model says what it answers: classes or numbers for texts, spans for questions, labels for words,
choices; a pretrained one fills each [MASK]. Input has the format that the task was trained on, its
labels left out: tables with the same columns, SQuAD files, RACE files, CoNLL files. From standard
input come lines of text (two texts: separated by a tab), a word a line for tagging, passages of
RACE or, for questions, a SQuAD file; --input_as names another ending.

Answers come in the order of the input, a JSON object a line. The ending of --output asks for
another form: .tsv for classes or numbers has the columns index and prediction, as GLUE wants them;
.json for questions a text for each id, as SQuAD's evaluation does; .txt for tagging a word and its
label a line.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the flags of `albert-tf predict`."""
    parser.add_argument(
        "--model_dir",
        required=True,
        help="a run, its best checkpoint first, or a model of any format with a head",
    )
    parser.add_argument(
        "--input", default="-", help="a file or glob; default: standard input, also '-'"
    )
    parser.add_argument(
        "--input_as",
        metavar="ENDING",
        help="what standard input holds, such as .csv or .jsonl; default: as the task reads lines",
    )
    parser.add_argument(
        "--output", default="-", help="a file to write; default: standard output, also '-'"
    )
    parser.add_argument("--batch_size", type=int, default=32, help="default: 32")
    parser.add_argument("--seq_length", type=int, help="longest sequence; default: as in training")
    parser.add_argument("--top_k", type=int, help="fillings of each mask; default: 5")


def run(args: argparse.Namespace) -> None:
    """Writes the answers."""
    import sys
    import tempfile
    from pathlib import Path

    from albert_tf import files
    from albert_tf.tasks.predictor import Predictor

    if args.output != "-":
        files.check_writable(Path(args.output).absolute().parent, "The folder of --output")
    settings = {} if args.top_k is None else {"top_k": args.top_k}
    predictor = Predictor(args.model_dir, **settings)
    print(f"model: {predictor.path}, {predictor.task.describe().task}", file=sys.stderr)
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
