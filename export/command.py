"""Export a model or its tokenizer to TF-Hub, TensorFlow Serving or LiteRT.

    albert-tf export encoder SOURCE DEST         token ids in, vectors out; for hub.KerasLayer
    albert-tf export preprocessor SOURCE DEST    text in, encoder inputs out
    albert-tf export task SOURCE DEST            text in, answers out; for TensorFlow Serving
    albert-tf export lite SOURCE DEST            token ids in, scores or vectors out; for devices

SOURCE is a run (the folder of albert-tf train --model_dir), which means its best checkpoint, or any
model that `albert-tf convert` can read, such as albert_base_v2. DEST must be a new or empty folder.
For a task, and for an encoder with --version, DEST contains one numbered folder per version, as
TensorFlow Serving requires. Every export is loaded in a separate process without this package and
compared with SOURCE; DEST is created only if the two agree. A LiteRT model is compared in its
interpreter instead.

The task is the one that the model was fine-tuned for, such as classification, tagging, question
answering or multiple choice. A pretrained model fills in each [MASK], or computes embeddings with
--pooling. For LiteRT, a pretrained model is exported as an encoder unless --pooling or --top_k is
given. The export of a model for embeddings is also a text embedding of TF-Hub, for hub.KerasLayer.

examples:
  albert-tf export encoder runs/base hub/encoder
  albert-tf export encoder runs/base models/encoder --version next
  albert-tf export preprocessor runs/base hub/preprocessor --seq_length 256
  albert-tf export task runs/reviews models/reviews
  albert-tf export task albert_base_v2 models/sentences --pooling mean
  albert-tf export task minialbert models/sentences --dimensions 128 --windows mean
  albert-tf export task runs/reviews models/reviews --precision int8 --calibration dev.csv
  albert-tf export lite runs/reviews lite/reviews --precision int8 --seq_length 128
"""

from __future__ import annotations

import argparse
from pathlib import Path

from albert_tf.errors import InputError

# The limits of a request to each kind of export, and what they count.
_LIMITS = {
    "encoder": {"tokens": "texts x longest text; default: 65536"},
    "preprocessor": {
        "bytes": "of text; default: 4194304",
        "tokens": "texts x --seq_length; default: 65536",
    },
    "task": {
        "bytes": "of text; default: 4194304",
        "tokens": "default: 65536",
        "answers": "words or masks with their padding; default: 524288",
    },
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds a subcommand with its flags for each kind of artefact."""
    kinds = parser.add_subparsers(
        dest="kind", metavar="encoder|preprocessor|task|lite", required=True
    )
    encoder = kinds.add_parser("encoder", help="token ids to vectors", inherited_absl_flags=None)
    text = kinds.add_parser("preprocessor", help="text to token ids", inherited_absl_flags=None)
    task = kinds.add_parser("task", help="text to answers", inherited_absl_flags=None)
    lite = kinds.add_parser(
        "lite", help="token ids to scores or vectors", inherited_absl_flags=None
    )
    for kind in (encoder, text, task, lite):
        kind.add_argument("source", metavar="SOURCE", help="the model to export")
        kind.add_argument("dest", metavar="DEST", help="folder to create")
        kind.add_argument(
            "--license",
            help="licence of the weights, such as CC-BY-4.0, for README.md and manifest.json; "
            "default: as of their source",
        )
    for kind in (encoder, text, task):
        kind.add_argument(
            "--no_check",
            action="store_true",
            help="skip the comparison in a separate process, which has to import TensorFlow again",
        )
    text.add_argument(
        "--seq_length", type=int, default=128, help="sequence length of the outputs (%(default)s)"
    )
    for kind, limits in _LIMITS.items():
        kinds.choices[kind].add_argument(
            "--limits",
            default="",
            metavar="NAME=N,...",
            help="the most that a request to a signature may ask for, of "
            f"{', '.join(f'{name} ({what})' for name, what in limits.items())}; larger requests "
            "are answered with an error",
        )
    for kind in (encoder, task):
        _add_precision_arguments(kind)
    _add_encoder_arguments(encoder)
    _add_task_arguments(task)
    _add_lite_arguments(lite)


def _add_encoder_arguments(encoder: argparse.ArgumentParser) -> None:
    encoder.add_argument(
        "--vocab",
        help="vocabulary file, or a folder with one; default: the model in SOURCE",
    )
    encoder.add_argument(
        "--keep_padding",
        action="store_true",
        help="also compute outputs for padding in signatures; by default, padding is skipped and "
        "its outputs are zero, so latency depends on real tokens only",
    )
    encoder.add_argument(
        "--version",
        help='a whole number or "next": create DEST/VERSION for TensorFlow Serving; default: '
        "create DEST itself",
    )


def _add_task_arguments(task: argparse.ArgumentParser) -> None:
    task.add_argument(
        "--version",
        default="next",
        help="a whole number; default: one more than the highest version in DEST",
    )
    _add_embedding_arguments(task)
    task.add_argument(
        "--windows",
        default="",
        help="first, mean or max: what embeddings read of texts that are longer than the model: "
        "the first tokens, or windows of all tokens, whose vectors are pooled",
    )
    task.add_argument(
        "--pairs", action="store_true", help="let a classifier take two texts instead of one"
    )
    task.add_argument(
        "--seq_length",
        type=int,
        default=0,
        help="maximum sequence length in tokens; default: as in training",
    )
    task.add_argument("--top_k", type=int, help="number of candidates for each mask; default: 5")
    task.add_argument(
        "--exit_threshold",
        type=float,
        help="probability from 0 to 1 above which a text leaves a classifier trained with "
        "EARLY_EXIT before its last layer; default: as tuned in training",
    )


def _add_embedding_arguments(kind: argparse.ArgumentParser) -> None:
    kind.add_argument(
        "--pooling",
        default="",
        help="export embeddings instead of the model's task: cls, max, mean, mean_sqrt_len, "
        "weighted_mean, last or pooled, or several of them, separated by commas",
    )
    kind.add_argument(
        "--normalize", action="store_true", help="divide each embedding by its length"
    )
    kind.add_argument(
        "--dimensions",
        type=int,
        help="keep so many numbers of each embedding, before it is normalized",
    )


def _add_precision_arguments(kind: argparse.ArgumentParser) -> None:
    kind.add_argument(
        "--precision",
        default="float32",
        help="precision of the matrix products in signatures: float32, int8 (faster on CPUs, and a "
        "quarter of the size of these weights) or bfloat16 (for processors with AVX512_BF16 or "
        "AMX); the difference is measured and printed (%(default)s)",
    )
    kind.add_argument(
        "--calibration",
        metavar="FILE",
        help="texts to measure the difference on: lines for an encoder, what albert-tf predict "
        "takes for a task; with labels, metrics are compared too; default: a few texts",
    )
    kind.add_argument(
        "--max_drift",
        type=float,
        help="refuse to export if outputs differ by more from those in float32, relative to their "
        "norm (0.1)",
    )


def _add_lite_arguments(lite: argparse.ArgumentParser) -> None:
    lite.add_argument(
        "--precision",
        default="float32",
        help="precision of the weights: float32, float16 (half the file size) or int8 (a quarter "
        "of it, and faster on CPUs); the loss of accuracy is measured and printed (%(default)s)",
    )
    lite.add_argument(
        "--seq_length",
        type=int,
        help="fixed sequence length; default: any length, set by the application",
    )
    _add_embedding_arguments(lite)
    lite.add_argument(
        "--top_k",
        type=int,
        help="export the masked language model of a pretrained model instead of its encoder, with "
        "this number of candidates for each mask",
    )
    lite.add_argument(
        "--text",
        action="store_true",
        help="not supported: LiteRT takes token ids, not text; the error explains why",
    )


def run(args: argparse.Namespace) -> None:
    """Writes the artefact and prints its path."""
    from albert_tf.serving.limits import Limits

    from . import model_card

    license = model_card.AS_SOURCE if args.license is None else args.license
    model_card.check_license(license)
    check = args.kind != "lite" and not args.no_check
    if args.kind in _LIMITS:
        limits = Limits.parse(args.limits, tuple(_LIMITS[args.kind]))
    if args.kind == "lite":
        from . import lite_model

        if args.text:
            raise InputError(lite_model.NO_TEXT)
        settings = lite_model.Settings(
            pooling=args.pooling,
            normalize=args.normalize,
            dimensions=args.dimensions,
            top_k=args.top_k,
        )
        path = lite_model.export(
            args.source, args.dest, args.precision, args.seq_length, settings, license
        )
    elif args.kind == "encoder":
        from . import hub_encoder, precision

        padding, version = not args.keep_padding, args.version
        reduced = precision.Settings(args.precision, args.calibration, args.max_drift)
        path = hub_encoder.export(
            args.source, args.dest, args.vocab, check, padding, version, license, limits, reduced
        )
    elif args.kind == "task":
        from . import precision, task_model

        settings = task_model.Settings(
            pooling=args.pooling,
            normalize=args.normalize,
            dimensions=args.dimensions,
            windows=args.windows,
            seq_length=args.seq_length,
            pairs=args.pairs,
            top_k=args.top_k,
            exit_threshold=args.exit_threshold,
            limits=limits,
            precision=precision.Settings(args.precision, args.calibration, args.max_drift),
        )
        path = task_model.export(args.source, args.dest, args.version, settings, check, license)
    else:
        from . import preprocessor

        path = preprocessor.export(args.source, args.dest, args.seq_length, check, license, limits)
    print(f"{path}: written")


def write_encoder(source: Path, dest: Path) -> None:
    """Writes an encoder with the default settings, as `albert-tf train --export_best` does."""
    from . import hub_encoder

    hub_encoder.export(source, dest)
