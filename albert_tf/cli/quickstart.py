"""The whole road on text this machine has: raw text in, TF-Hub modules out.

Text is the documentation of the installed Python packages, or any files by --input (UTF-8, an empty
line between documents). The steps are the commands a user would type; each is printed before it
runs: vocabulary, pretraining data with a held-out part, pretraining of a tiny ALBERT, export,
fine-tuning on a labelled set (which package a sentence of documentation comes from). The exports
are then loaded through hub.KerasLayer, and the classifier answers raw sentences, to show what was
learned.

Re-running the command goes on with the first step that is not finished. Two cores need about 14
minutes. What is kept in --output_dir: text/, vocab.model, data/, run/, hub/encoder,
hub/preprocessor, labelled/, classifier/, hub/classifier, metrics.json, loss.png.
"""

from __future__ import annotations

import argparse

RECIPE = "pretrain_tiny"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `albert-tf quickstart`."""
    parser.add_argument("--input", help="glob of text files; default: installed documentation")
    parser.add_argument("--output_dir", default="quickstart", help="default: %(default)s")
    parser.add_argument(
        "--vocab_size", type=int, default=4000, help="pieces; less for little text (%(default)s)"
    )
    parser.add_argument(
        "--train_steps", type=int, help=f"updates; default: that of the recipe {RECIPE}"
    )


def run(args: argparse.Namespace) -> None:
    """Runs the steps that are not finished, then shows what was learned."""
    from albert_tf.quickstart import steps

    steps.run(args.input, args.output_dir, args.vocab_size, args.train_steps, RECIPE)
