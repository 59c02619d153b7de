"""Write a model or its tokenizer for TF-Hub, for TensorFlow Serving or for LiteRT.

    albert-tf export encoder SOURCE DEST         token ids in, vectors out; for hub.KerasLayer
    albert-tf export preprocessor SOURCE DEST    text in, the inputs of the encoder out
    albert-tf export task SOURCE DEST            text in, answers out; for TensorFlow Serving
    albert-tf export lite SOURCE DEST            ids in, vectors or classes out; for devices

SOURCE is the folder of a training (albert-tf train --model_dir) or any model that `albert-tf
convert` reads. DEST is a new or empty folder; that of a task gets a folder for each version, named
by its number, as TensorFlow Serving wants it, and so does that of an encoder with --version. What
was written is loaded again in another process, which does not have this package, and compared with
SOURCE; the folder appears only if they agree. A LiteRT model is compared by its interpreter.

A task is what the model was fine-tuned for: classes or numbers for texts or pairs, labels for
words, choices. A pretrained model fills each [MASK], or gives embeddings with --pooling.

examples:
  albert-tf export encoder runs/base hub/encoder
  albert-tf export encoder runs/base models/encoder --version next
  albert-tf export preprocessor runs/base hub/preprocessor --seq_length 256
  albert-tf export task runs/reviews models/reviews
  albert-tf export task albert_base_v2/ models/sentences --pooling mean
  albert-tf export lite runs/reviews lite/reviews --precision int8 --seq_length 128
"""

from __future__ import annotations

import argparse
from pathlib import Path

from albert_tf.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the kinds of artefacts with their flags."""
    kinds = parser.add_subparsers(
        dest="kind", metavar="encoder|preprocessor|task|lite", required=True
    )
    encoder = kinds.add_parser("encoder", help="ids to vectors", inherited_absl_flags=None)
    text = kinds.add_parser("preprocessor", help="text to ids", inherited_absl_flags=None)
    task = kinds.add_parser("task", help="text to answers", inherited_absl_flags=None)
    lite = kinds.add_parser("lite", help="ids to vectors or classes", inherited_absl_flags=None)
    for kind in (encoder, text, task, lite):
        kind.add_argument("source", metavar="SOURCE", help="folder of the model")
        kind.add_argument("dest", metavar="DEST", help="folder to make")
    for kind in (encoder, text, task):
        kind.add_argument(
            "--no_check",
            action="store_true",
            help="do not reload and compare, which takes as long as importing TensorFlow",
        )
    encoder.add_argument(
        "--vocab", help="SentencePiece model, or a folder with one, where SOURCE holds none"
    )
    encoder.add_argument(
        "--keep_padding",
        action="store_true",
        help="signatures compute padding too; by default they leave it out, give zeros there, and "
        "cost what the real tokens cost",
    )
    encoder.add_argument(
        "--version",
        help="for TensorFlow Serving: make DEST/VERSION, a whole number or next; default: DEST",
    )
    text.add_argument(
        "--seq_length", type=int, default=128, help="default length of the inputs (%(default)s)"
    )
    task.add_argument(
        "--version", default="next", help="a whole number; default: one more than DEST holds"
    )
    task.add_argument(
        "--pooling", default="", help="embeddings instead of the head's task: mean, pooled or cls"
    )
    task.add_argument("--pairs", action="store_true", help="a classifier reads two texts")
    task.add_argument(
        "--seq_length", type=int, default=0, help="longest row; default: as in training"
    )
    task.add_argument("--top_k", type=int, help="fillings of each mask; default: 5")
    lite.add_argument(
        "--precision",
        default="float32",
        help="of the weights: float32, float16 (half the file) or int8 (a quarter, and faster on "
        "CPUs); what it costs is measured and printed (%(default)s)",
    )
    lite.add_argument(
        "--seq_length", type=int, help="one fixed length; default: the program chooses it"
    )
    lite.add_argument(
        "--text", action="store_true", help="refused, with the reason: LiteRT takes ids, not text"
    )


def run(args: argparse.Namespace) -> None:
    """Writes the artefact and prints where it is."""
    check = args.kind != "lite" and not args.no_check
    if args.kind == "lite":
        from . import lite_model

        if args.text:
            raise InputError(lite_model.NO_TEXT)
        path = lite_model.export(args.source, args.dest, args.precision, args.seq_length)
    elif args.kind == "encoder":
        from . import hub_encoder

        path = hub_encoder.export(
            args.source, args.dest, args.vocab, check, not args.keep_padding, args.version
        )
    elif args.kind == "task":
        from . import task_model

        settings = task_model.Settings(
            pooling=args.pooling, seq_length=args.seq_length, pairs=args.pairs, top_k=args.top_k
        )
        path = task_model.export(args.source, args.dest, args.version, settings, check)
    else:
        from . import preprocessor

        path = preprocessor.export(args.source, args.dest, args.seq_length, check)
    print(f"{path}: written")


def write_encoder(source: Path, dest: Path) -> None:
    """Writes an encoder with the default settings, as `albert-tf train --export_best` does."""
    from . import hub_encoder

    hub_encoder.export(source, dest)
