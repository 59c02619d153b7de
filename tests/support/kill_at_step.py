"""The end of a process by a signal that it cannot catch, on the way of a run."""

import os
import signal
import threading

import tensorflow as tf


def killer(step, seconds):
    """A train action: SIGKILL so long after the loop that ends at a step, wherever it is then."""

    def die(_):
        if int(tf.summary.experimental.get_step()) == int(step):
            threading.Timer(float(seconds), os.kill, (os.getpid(), signal.SIGKILL)).start()

    return die
