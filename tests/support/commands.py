"""Runs `albert-tf` in this process."""

from albert_tf.cli import main


def call(*words):
    """Runs a command and returns its flags; raises its errors."""
    args = main.parse(["albert-tf", *map(str, words)])
    args.run(args)
    return args


def status(*words):
    """Runs a command as a shell does: returns its status, and prints errors to standard error."""
    return main.run(main.parse(["albert-tf", *map(str, words)]))
