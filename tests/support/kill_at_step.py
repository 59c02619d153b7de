"""Kills a process during a run, with a signal that it cannot catch."""

import os
import signal
import threading

import tensorflow as tf


def killer(step, seconds):
    """Returns a train action that sends SIGKILL `seconds` after the training loop reaches `step`.

    Training continues in the meantime, so the signal can arrive anywhere.
    """

    def die(_):
        if int(tf.summary.experimental.get_step()) == int(step):
            threading.Timer(float(seconds), os.kill, (os.getpid(), signal.SIGKILL)).start()

    return die
