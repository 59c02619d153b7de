"""Computes vectors with sentence-transformers, in a process of its own.

python sentence_transformers_vectors.py FOLDER TEXTS.json OUT.npy
"""

import json
import sys
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

folder, texts, out = sys.argv[1:]
model = SentenceTransformer(folder, device="cpu")
np.save(out, model.encode(json.loads(Path(texts).read_text()), batch_size=2))
