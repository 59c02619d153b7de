"""`albert-tf`: finds the subcommand, parses its arguments and runs it.

Each subcommand is a module with `add_arguments(parser)` and `run(args)`. The table names modules as
text and only the one asked for is loaded; none imports TensorFlow before `run`, so that every
`--help` answers at once.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from types import ModuleType
from typing import NamedTuple

from absl import app, flags, logging
from absl.flags import argparse_flags

from albert_tf.errors import InputError, closest
from albert_tf.version import __version__


class Command(NamedTuple):
    """A subcommand: the module that holds it and the line that `--help` prints."""

    module: str
    summary: str


COMMANDS = {
    "quickstart": Command("albert_tf.cli.quickstart", "the whole road on text this machine has"),
    "vocab": Command("albert_tf.cli.vocab", "train a SentencePiece vocabulary"),
    "tokenize": Command("albert_tf.cli.tokenize", "show the pieces and ids of lines of text"),
    "data": Command("albert_tf.cli.data", "build, count and show pretraining data"),
    "train": Command("albert_tf.cli.train", "train and evaluate what a gin file describes"),
    "predict": Command("albert_tf.cli.predict", "answer files with a fine-tuned model"),
    "convert": Command("albert_tf.cli.convert", "turn weights of one format into another"),
    "inspect": Command("albert_tf.cli.inspect", "show what a model folder holds"),
    "export": Command("albert_tf.export.command", "write TF-Hub SavedModels"),
    "doctor": Command("albert_tf.cli.doctor", "versions, known-bad pairs, what is missing"),
}


def command_module(name: str) -> ModuleType:
    """Returns the module of a subcommand, which is imported now."""
    return importlib.import_module(COMMANDS[name].module)


def main(argv: list[str] | None = None) -> None:
    """Entry point of the console script; leaves the process with the command's status."""
    # oneDNN is on for speed; its notices and TensorFlow's start-up lines are noise to a user.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.use_absl_handler()
    args = parse([sys.argv[0], *argv] if argv is not None else sys.argv)
    app.run(lambda _: sys.exit(run(args)), argv=sys.argv[:1])


def parse(argv: list[str]) -> argparse_flags.argparse.Namespace:
    """Returns the parsed arguments; `argv[0]` is the program."""
    argv = [re.sub(r"^--gin\.", "--gin=", argument) for argument in argv]
    name = next((a for a in argv[1:] if not a.startswith("-")), None)
    parser = argparse_flags.ArgumentParser(
        prog="albert-tf",
        description="ALBERT in TensorFlow 2: from raw text to TF-Hub modules.",
        epilog="`albert-tf COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"albert_tf {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for key, command in COMMANDS.items():
        inherited = {"inherited_absl_flags": None}
        if key != name:
            commands.add_parser(key, help=command.summary, **inherited)
            continue
        module = command_module(key)
        child = commands.add_parser(
            key,
            help=command.summary,
            description=module.__doc__,
            formatter_class=argparse_flags.argparse.RawDescriptionHelpFormatter,
            **inherited,
        )
        module.add_arguments(child)
        child.set_defaults(run=module.run)
    if name is not None and name not in COMMANDS:
        parser.error(
            f"COMMAND must be one of the commands. Received {name!r}. {closest(name, COMMANDS)}"
        )
    return parser.parse_args(argv[1:])


def run(args: argparse_flags.argparse.Namespace) -> int:
    """Runs the parsed command and returns the exit status: 0, or 2 after an `InputError`."""
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)  # --verbosity=0 shows TensorFlow's and Orbit's notes
    try:
        args.run(args)
    except InputError as error:
        print(f"albert-tf {args.command}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"albert-tf {args.command}: stopped by the user", file=sys.stderr)
        return 130
    return 0
