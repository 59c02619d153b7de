"""The command `albert-tf`: parses the arguments and runs the subcommand.

Each subcommand is a module with `add_arguments(parser)` and `run(args)`. Only the module of the
given subcommand is imported, and none of them imports TensorFlow before `run`, so that `--help` is
fast.
"""

from __future__ import annotations

import importlib
import os
import re
import signal
import sys
import threading
from types import ModuleType
from typing import NamedTuple

from absl import app, flags, logging
from absl.flags import argparse_flags

from albert_tf.errors import InputError, closest
from albert_tf.version import __version__


class Command(NamedTuple):
    """A subcommand: its module, and its summary in `--help`."""

    module: str
    summary: str


COMMANDS = {
    "quickstart": Command(
        "albert_tf.cli.quickstart", "run the full pipeline on text found on this machine"
    ),
    "vocab": Command("albert_tf.cli.vocab", "train a SentencePiece vocabulary"),
    "tokenize": Command("albert_tf.cli.tokenize", "show the tokens and ids of lines of text"),
    "data": Command("albert_tf.cli.data", "build pretraining data, check labelled files"),
    "train": Command("albert_tf.cli.train", "pretrain, fine-tune or evaluate a model"),
    "predict": Command("albert_tf.cli.predict", "run a fine-tuned model on files or lines"),
    "embed": Command("albert_tf.cli.embed", "compute vectors for files or lines of text"),
    "index": Command("albert_tf.cli.index", "embed texts and write an index of them"),
    "search": Command("albert_tf.cli.search", "find the texts of an index that fit a query"),
    "evaluate": Command("albert_tf.cli.evaluate", "measure vectors on retrieval or similarity"),
    "convert": Command("albert_tf.cli.convert", "convert a model to another format"),
    "inspect": Command("albert_tf.cli.inspect", "show the contents of a model"),
    "export": Command("albert_tf.export.command", "export TF-Hub SavedModels and LiteRT models"),
    "benchmark": Command("albert_tf.export.benchmark", "measure an exported model on this machine"),
    "doctor": Command("albert_tf.cli.doctor", "check the installation"),
}


def command_module(name: str) -> ModuleType:
    """Returns the module of a subcommand, which is imported now."""
    return importlib.import_module(COMMANDS[name].module)


def main(argv: list[str] | None = None) -> None:
    """Entry point of the console script; exits with the status of the command."""
    # Hide TensorFlow's start-up messages, such as the notice about oneDNN.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.use_absl_handler()
    args = parse([sys.argv[0], *argv] if argv is not None else sys.argv)
    if threading.current_thread() is threading.main_thread():
        # Temporary files are removed on the way out. Training has a handler of its own.
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    app.run(lambda _: sys.exit(run(args)), argv=sys.argv[:1])


def parse(argv: list[str]) -> argparse_flags.argparse.Namespace:
    """Parses the command line; `argv[0]` is the program name."""
    argv = [re.sub(r"^--gin\.", "--gin=", argument) for argument in argv]
    name = next((a for a in argv[1:] if not a.startswith("-")), None)
    parser = argparse_flags.ArgumentParser(
        prog="albert-tf",
        description="ALBERT in TensorFlow 2: from raw text to TF-Hub modules.",
        epilog="Use `albert-tf COMMAND --help` for help on a command.",
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
            f"COMMAND must be a known command. Received {name!r}. {closest(name, COMMANDS)}"
        )
    return parser.parse_args(argv[1:])


def run(args: argparse_flags.argparse.Namespace) -> int:
    """Runs the parsed command and returns its exit status.

    It is 0, 2 after an `InputError` or a file that cannot be read or written, and as in shells 130
    after Ctrl-C, 141 if the reader of the output has gone, and 143 after SIGTERM.
    """
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)  # --verbosity=0 also shows informational messages
    try:
        args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the end
        return 141
    except OSError as error:
        if error.filename is None:
            raise
        problem = InputError(
            f"A file must be readable or writable. Received '{error.filename}': {error.strerror}. "
            "Check its permissions."
        )
        print(f"albert-tf {args.command}: error: {problem}", file=sys.stderr)
        return 2
    except InputError as error:
        print(f"albert-tf {args.command}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"albert-tf {args.command}: stopped by the user", file=sys.stderr)
        return 130
    return 0
