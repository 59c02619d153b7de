"""Run a fine-tuned model on files or on standard input.

    albert-tf predict --model runs/mine --input new.csv --output answers.jsonl
    echo 'a fine film' | albert-tf predict --model runs/mine
    echo 'It is a [MASK] film.' | albert-tf predict --model albert_base_v2

The task of the model determines the predictions: classes, labels or numbers for texts, answer spans
for questions, entities in texts or labels for words, or the chosen option. A pretrained model fills
in each [MASK].

Input files have the format of the training data, and labels are not needed: tables with the same
columns, SQuAD files, RACE files, texts in JSON Lines, or CoNLL files. Standard input has one text
per line (with a tab between the two texts of a pair), for tagging with a model that was trained on
words one word per line, for multiple choice a RACE passage, and for question answering a SQuAD
file. Use --input_as for other formats.

The output has one JSON object per line, in the order of the input. In tables and lines of text, a
blank line gets an answer too. The extension of --output selects another format: .csv, .tsv or
.parquet for a table, which has the columns --keep_columns of the input too. For classes and
numbers, .tsv has the columns index and prediction, as GLUE requires. .json for question answering
has a text for each question id, as SQuAD's evaluation requires, and .txt for tagging has a word and
its label per line, as in the input.

--labels ranks labels of your own, which the model has not seen in training. --explain adds how much
each word raised or lowered the score of an answer, to .jsonl or to a page, .html.

All input is checked first. Then answers are written as they come, and memory does not depend on the
number of rows. Until all are there, they are in a partial file beside the output, such as
answers.csv.partial. The same command goes on with this file after a stop, and the output has the
same bytes as without the stop. Another model, input or setting is refused. Standard input is read
to its end first; it must be passed again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from albert_tf.tasks.answer_files import AnswerFile
    from albert_tf.tasks.fine_tuning_config import FineTuningDataConfig
    from albert_tf.tasks.predictor import Predictor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `albert-tf predict`."""
    add_file_arguments(parser, "name, folder, checkpoint or handle of a model with a task head")
    parser.add_argument(
        "--top_k", type=int, help="number of predictions for each [MASK] (default: 5)"
    )
    parser.add_argument(
        "--exit_threshold",
        type=float,
        help="probability from 0 to 1 above which a text leaves a model trained with EARLY_EXIT "
        "before its last layer (default: as tuned in training)",
    )
    parser.add_argument(
        "--explain",
        nargs="?",
        const=True,
        metavar="LABEL",
        help="add to each answer how much each word raised or lowered the score of the most "
        "probable label, or of LABEL; --output may also end in .html, a page with coloured words",
    )
    labels = parser.add_argument_group(
        "labels of your own",
        "With --labels, a model for natural language inference, such as one fine-tuned on MNLI, "
        "ranks labels that it need not have seen. Input has one text per line, or in the column "
        "text of a table.",
    )
    labels.add_argument(
        "--labels",
        metavar="NAMES",
        help="labels to rank, separated by commas, or @FILE with one label per line",
    )
    labels.add_argument(
        "--template",
        help='sentence with {} in place of the label (default: "This text is about {}.")',
    )
    labels.add_argument(
        "--multi_label",
        action="store_true",
        help="decide about each label alone, as any number may fit (default: exactly one fits)",
    )


def add_file_arguments(
    parser: argparse.ArgumentParser, model: str, needs_model: bool = True
) -> None:
    """Adds the arguments of commands that answer the rows of files.

    Args:
      parser: the parser of the command.
      model: what the model may be, for its help.
      needs_model: whether --model must be given.
    """
    parser.add_argument(
        *("--model", "--model_dir"),
        dest="model_dir",
        required=needs_model,
        metavar="MODEL",
        help=f"{model}; a run means its best checkpoint",
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
        "--keep_columns",
        default="",
        metavar="NAMES",
        help="columns of input tables to write before each answer, separated by commas",
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
        "--workers",
        type=int,
        default=1,
        help="processes, each of which loads the model; the answers are the same (default: 1)",
    )
    parser.add_argument(
        "--runner",
        help="run on Apache Beam with this runner: DirectRunner, FlinkRunner, SparkRunner or "
        "DataflowRunner; the answers are the same. All its workers must see the model and the "
        "folder of --output at the same paths, as on a shared disk",
    )
    parser.add_argument(
        "pipeline_options",
        nargs="*",
        help="options for Apache Beam after --, for example: -- --direct_num_workers 2",
    )


def run(args: argparse.Namespace) -> None:
    """Writes the predictions."""
    write(args, args.model_dir, args.explain, **_settings(args))


def write(
    args: argparse.Namespace,
    model: Any,
    explain: str | bool | None = None,
    answer_file: Callable[[Predictor, FineTuningDataConfig], AnswerFile] | None = None,
    **config: Any,
) -> None:
    """Writes the answers of a model to the rows of files.

    Args:
      args: the values of `add_file_arguments`.
      model: what `Predictor` takes.
      explain: a label to explain, or True for the most probable one; None for no explanations.
      answer_file: returns the format of the output, from the predictor and the result of its
        `params`; by default, the extension of the output selects it.
      **config: fields of the task's config to change.
    """
    import contextlib
    import os
    import shutil
    import sys
    import tempfile
    from pathlib import Path

    from albert_tf import files
    from albert_tf.data.beam_map import BeamMap, new_pipeline
    from albert_tf.errors import InputError
    from albert_tf.tasks import explanation_page
    from albert_tf.tasks.partial_file import PartialFile, Stream
    from albert_tf.tasks.predictor import Predictor

    if args.workers < 1:
        raise InputError(
            f"--workers must be at least 1. Received {args.workers}. Leave it out for one process."
        )
    is_file = args.output != "-" and (
        os.path.isfile(args.output) or not os.path.exists(args.output)
    )
    pipeline = new_pipeline(args.runner, args.pipeline_options)
    if pipeline and (args.workers > 1 or not is_file):
        raise InputError(
            "--runner writes to an --output file, without --workers. Received --output "
            f"{args.output} and --workers {args.workers}. Name a file, and pass the number of "
            "workers to the runner after --."
        )
    if args.output != "-":
        files.check_writable(Path(args.output).absolute().parent, "The folder of --output")
    keep = [name.strip() for name in args.keep_columns.split(",") if name.strip()]
    predictor = Predictor(model, keep_columns=keep, **config)
    print(f"model: {predictor.source}, {predictor.task.describe().task}", file=sys.stderr)
    ending = ".jsonl" if args.output == "-" else Path(args.output).suffix
    if explain is not None:
        predictor = predictor.explaining(None if explain is True else explain)
        answers = explanation_page.answer_file(ending, predictor.kept)
    elif answer_file is None:
        answers = predictor.task.answer_file(ending, predictor.kept)
    with contextlib.ExitStack() as stack:
        path = args.input
        if path == "-":
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            path = Path(folder) / f"stdin{args.input_as or predictor.task.INPUT}"
            with open(path, "wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        params = predictor.params(path, args.batch_size, args.seq_length)
        if answer_file is not None:
            answers = answer_file(predictor, params)
        output: PartialFile | Stream
        if args.output == "-":
            output = Stream(sys.stdout, answers)
        elif not is_file:
            stream = stack.enter_context(open(args.output, "w", encoding="utf-8"))
            output = Stream(stream, answers)
        else:
            command = {**predictor.command(params), **answers.depends}
            output = PartialFile(Path(args.output), answers, command)
        beam_map = BeamMap(pipeline, Path(f"{args.output}.partial.beam")) if pipeline else None
        predictor.write(params, output, args.workers, beam_map)


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """Returns the fields of the task's config that flags set."""
    from pathlib import Path

    from albert_tf.data.text_lines import read_lines
    from albert_tf.errors import InputError
    from albert_tf.files import existing

    if args.labels is not None and args.exit_threshold is not None:
        raise InputError(
            "Labels of your own are ranked with all layers. Received --exit_threshold "
            f"{args.exit_threshold} with --labels. Leave one of them out."
        )
    names = ("top_k", "template", "exit_threshold")
    settings = {name: getattr(args, name) for name in names}
    settings = {name: value for name, value in settings.items() if value is not None}
    if args.multi_label:
        settings["several"] = True
    if args.labels is not None:
        if args.labels.startswith("@"):
            lines = read_lines(existing(Path(args.labels[1:]), "A file of labels"))
            labels = [line.strip() for line in lines if line.strip()]
        else:
            labels = [label.strip() for label in args.labels.split(",")]
        return {**settings, "candidates": labels}
    if args.template is not None or args.multi_label:
        flag = "--multi_label" if args.template is None else "--template"
        raise InputError(f"{flag} is for labels of your own. Received no --labels. Add them.")
    return settings
