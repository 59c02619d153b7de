"""Write a model or its tokenizer as a TF-Hub SavedModel.

    albert-tf export encoder SOURCE DEST         token ids in, vectors out; for hub.KerasLayer
    albert-tf export preprocessor SOURCE DEST    text in, the inputs of the encoder out

SOURCE is the folder of a training (albert-tf train --model_dir) or any model that `albert-tf
convert` reads. DEST is a new or empty folder. What was written is loaded again in another process,
which does not have this package, and compared with SOURCE; DEST appears only if they agree.

examples:
  albert-tf export encoder runs/base hub/encoder
  albert-tf export preprocessor runs/base hub/preprocessor --seq_length 256
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the kinds of artefacts with their flags."""
    kinds = parser.add_subparsers(dest="kind", metavar="encoder|preprocessor", required=True)
    encoder = kinds.add_parser("encoder", help="ids to vectors", inherited_absl_flags=None)
    text = kinds.add_parser("preprocessor", help="text to ids", inherited_absl_flags=None)
    for kind in (encoder, text):
        kind.add_argument("source", metavar="SOURCE", help="folder of the model")
        kind.add_argument("dest", metavar="DEST", help="folder to make, new or empty")
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
    text.add_argument(
        "--seq_length", type=int, default=128, help="default length of the inputs (%(default)s)"
    )


def run(args: argparse.Namespace) -> None:
    """Writes the artefact and prints where it is."""
    check = not args.no_check
    if args.kind == "encoder":
        from . import hub_encoder

        path = hub_encoder.export(args.source, args.dest, args.vocab, check, not args.keep_padding)
    else:
        from . import preprocessor

        path = preprocessor.export(args.source, args.dest, args.seq_length, check)
    print(f"{path}: written")
