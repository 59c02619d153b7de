"""Ranks labels by their logits as transformers does, in a process without TensorFlow.

python transformers_zero_shot.py INPUT.json OUTPUT.json
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
import transformers


def ranked(label2id, labels, logits, multi_label):
    """Returns the probability of each label; transformers decides what the outputs mean."""
    pipeline = object.__new__(transformers.ZeroShotClassificationPipeline)
    pipeline.model = SimpleNamespace(config=SimpleNamespace(label2id=label2id))
    pipeline.framework = "pt"
    outputs = [
        {"candidate_label": label, "sequence": "", "logits": torch.tensor([row])}
        for label, row in zip(labels, logits)
    ]
    result = pipeline.postprocess(outputs, multi_label=multi_label)
    return dict(zip(result["labels"], result["scores"]))


if __name__ == "__main__":
    cases = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps([ranked(**case) for case in cases]))
