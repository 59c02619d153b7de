"""The losses of distillation in NumPy, with which tests compare those of the package."""

import numpy as np

T = 3.0  # the temperature


def softmax(x):
    shares = np.exp(x - x.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def divergence(wanted, found):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(wanted > 0, wanted * (np.log(wanted) - np.log(found)), 0.0).sum(-1)


def soft(wanted, found, exists=None):
    wanted, found = (np.asarray(x, np.float64) / T for x in (wanted, found))
    if exists is not None:
        wanted, found = (np.where(exists, x, -1e9) for x in (wanted, found))
    return T * T * divergence(softmax(wanted), softmax(found))


def sigmoid(wanted, found):
    pairs = (np.stack([x, np.zeros_like(x)], -1) for x in (np.asarray(wanted), np.asarray(found)))
    return soft(*pairs)


def of_spans(batch, wanted, found):
    real = batch["input_mask"].numpy() > 0
    return 0.5 * sum(soft(wanted[n], found[n], real) for n in ("start_logits", "end_logits")).mean()


def of_joint_spans(batch, wanted, found):
    names = ("start_log_probs", "end_log_probs")
    sides = [soft(wanted[n], found[n], wanted[n].numpy() > -1e29) for n in names]
    none = sigmoid(wanted["impossible_logits"], found["impossible_logits"])
    return 0.5 * (sum(sides) + none).mean()


def of_words(batch, wanted, found):
    return soft(wanted, found)[batch["label"].numpy() >= 0].mean()


def of_vectors(batch, wanted, found):
    wanted, found = np.asarray(wanted), np.asarray(found)
    norms = [np.linalg.norm(x, axis=-1) for x in (wanted, found)]
    return (1 - (wanted * found).sum(-1) / norms[0] / norms[1]).mean()
