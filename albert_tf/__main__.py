"""Lets `python -m albert_tf` run the command `albert-tf`."""

from albert_tf.cli.main import main

if __name__ == "__main__":
    main()
