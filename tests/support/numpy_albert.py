"""ALBERT in NumPy with float64, written from the paper, as an independent reference for tests.

It shares no code with the package. Weights have our variable names without the leading "encoder/".
"""

import numpy as np

EPSILON = 1e-12


def layer_norm(x, gamma, beta):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(var + EPSILON) * gamma + beta


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def block(w, x, bias, heads, norm_first):
    def dense(name, y):
        return y @ w[f"{name}/kernel"] + w[f"{name}/bias"]

    def norm(name, y):
        return layer_norm(y, w[f"{name}/gamma"], w[f"{name}/beta"])

    b, s, h = x.shape
    source = norm("attention_layer_norm", x) if norm_first else x

    def split(name):
        return dense(f"attention/{name}", source).reshape(b, s, heads, h // heads).swapaxes(1, 2)

    scores = split("query") @ split("key").swapaxes(2, 3) / np.sqrt(h // heads) + bias
    shares = softmax(scores)  # [B, N, S, S]
    context = (shares @ split("value")).swapaxes(1, 2).reshape(b, s, h)
    y = x + dense("attention/output", context)
    if not norm_first:
        y = norm("attention_layer_norm", y)
    z = norm("output_layer_norm", y) if norm_first else y
    y = y + dense("output", gelu(dense("intermediate", z)))
    return (y if norm_first else norm("output_layer_norm", y)), shares


def encode(w, ids, mask, types, *, layers, groups, inner, heads, norm_first=False):
    """Returns sequence output, pooled output, and the outputs and attention of all layers."""
    w = {name: np.asarray(value, np.float64) for name, value in w.items()}
    x = w["embeddings/word_embeddings/embeddings"][ids]
    x = x + w["embeddings/position_embeddings/embeddings"][: ids.shape[1]]
    x = x + w["embeddings/type_embeddings/embeddings"][types]
    x = layer_norm(x, w["embeddings/layer_norm/gamma"], w["embeddings/layer_norm/beta"])
    if "embeddings/projection/kernel" in w:
        x = x @ w["embeddings/projection/kernel"] + w["embeddings/projection/bias"]
    bias = (1.0 - mask)[:, None, None, :] * -10000.0
    outputs, shares = [], []
    for layer in range(layers):
        for i in range(inner):
            prefix = f"stack/group_{layer * groups // layers}_inner_{i}/"
            part = {k[len(prefix) :]: v for k, v in w.items() if k.startswith(prefix)}
            x, share = block(part, x, bias, heads, norm_first)
            outputs.append(x)
            shares.append(share)
    pooled = np.tanh(x[:, 0] @ w["pooler/kernel"] + w["pooler/bias"])
    return x, pooled, outputs, shares
