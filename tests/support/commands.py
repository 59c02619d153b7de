"""`albert-tf`, run in this process."""

from albert_tf.cli import main


def call(*words):
    """Runs it and returns its flags; errors are raised."""
    args = main.parse(["albert-tf", *map(str, words)])
    args.run(args)
    return args


def status(*words):
    """Runs it as a shell does: returns the status; an error becomes a line of standard error."""
    return main.run(main.parse(["albert-tf", *map(str, words)]))
