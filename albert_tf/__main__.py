"""`python -m albert_tf`: the same as the console script `albert-tf`."""

from albert_tf.cli.main import main

if __name__ == "__main__":
    main()
