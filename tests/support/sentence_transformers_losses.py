"""Computes losses of vectors with sentence-transformers, in a process of its own.

python sentence_transformers_losses.py IN.npz OUT.json

IN.npz has `vectors` [B, 3, D], `targets` [B], `temperature` and the `sizes` of truncated vectors.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from sentence_transformers.sentence_transformer import losses


class Given(torch.nn.Module):
    """A model whose vectors are its inputs."""

    def forward(self, features):
        return {"sentence_embedding": features["vectors"]}

    def get_embedding_dimension(self):
        return vectors.shape[-1]


given = np.load(sys.argv[1])
vectors, model = torch.tensor(given["vectors"]), Given()
scale, sizes = 1 / float(given["temperature"]), given["sizes"].tolist()


def value(loss, columns, labels=None):
    """Returns the loss of some of the texts of each example, and its gradient for their vectors."""
    leaf = vectors[:, :columns].clone().requires_grad_()
    features = [{"vectors": leaf[:, column]} for column in range(columns)]
    result = loss(features, labels)
    result.backward()
    return {"loss": result.item(), "gradient": leaf.grad.tolist()}


ranking = losses.MultipleNegativesRankingLoss(model, scale=scale)
results = {
    "pairs": value(ranking, 2),
    "negatives": value(ranking, 3),
    "scores": value(losses.CosineSimilarityLoss(model), 2, torch.tensor(given["targets"])),
    "matryoshka": value(
        losses.MatryoshkaLoss(model, ranking, sizes, [1 / len(sizes)] * len(sizes)), 3
    ),
}
Path(sys.argv[2]).write_text(json.dumps(results))
