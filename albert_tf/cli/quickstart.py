"""Run the full pipeline, from raw text to TF-Hub modules, on text found on this machine.

The text is the documentation of the installed Python packages, or any files given by --input. The
steps are ordinary albert-tf commands, and each is printed before it runs: train a vocabulary, build
pretraining data with a held-out part, pretrain a tiny ALBERT, export it, fine-tune it on a labelled
set (from which package does a sentence of documentation come?) and to vectors for search (which
docstring begins with a sentence?). Finally, the exports are loaded with hub.KerasLayer, and answer
on held-out text to show what was learned.

This takes about 14 minutes on two cores. Rerun it to resume at the first unfinished step.
--output_dir will contain text/, vocab.model, data/, run/, hub/encoder, hub/preprocessor, labelled/,
classifier/, hub/classifier, pairs/, embedding/, hub/embedding, metrics.json and loss.png.
"""

from __future__ import annotations

import argparse

RECIPE = "pretrain_tiny"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `albert-tf quickstart`."""
    parser.add_argument(
        "--input",
        metavar="GLOB",
        help="UTF-8 text files with an empty line between documents (default: the documentation of "
        "the installed Python packages)",
    )
    parser.add_argument(
        "--output_dir",
        metavar="DIR",
        default="quickstart",
        help="folder for all results (default: %(default)s)",
    )
    parser.add_argument(
        "--vocab_size",
        type=int,
        default=4000,
        help="number of pieces in the vocabulary; choose fewer if there is little text "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--train_steps",
        type=int,
        help=f"number of pretraining steps (default: that of the recipe {RECIPE})",
    )


def run(args: argparse.Namespace) -> None:
    """Runs the steps that are not finished, then shows what was learned."""
    from albert_tf.quickstart import steps

    steps.run(args.input, args.output_dir, args.vocab_size, args.train_steps, RECIPE)
