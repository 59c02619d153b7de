"""Makes or loads task models of transformers, in a process without TensorFlow.

python transformers_tasks.py make FOLDER     # makes one model per task and saves its outputs
python transformers_tasks.py load FOLDER     # loads models written by this package instead

tests/testdata/hf_tasks was written with `make`.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import transformers

SIZES = dict(
    vocab_size=50, embedding_size=8, hidden_size=12, num_hidden_layers=2, num_attention_heads=3,
    intermediate_size=20, max_position_embeddings=16, initializer_range=0.3,
    classifier_dropout_prob=0.2,
)  # fmt: skip
B, C, S = 3, 4, 10  # Batch size, number of choices, sequence length.
TASKS = {
    "classification": ("SequenceClassification", dict(id2label={0: "no", 1: "maybe", 2: "yes"})),
    "regression": ("SequenceClassification", dict(num_labels=1, problem_type="regression")),
    "tagging": ("TokenClassification", dict(id2label=dict(enumerate(("O", "B-X", "I-X", "B-Y"))))),
    "question_answering": ("QuestionAnswering", {}),
    "multiple_choice": ("MultipleChoice", {}),
    "masked_lm": ("MaskedLM", {}),
}


def inputs(task):
    rng = np.random.default_rng(3)
    shape = (B, C, S) if task == "multiple_choice" else (B, S)
    mask = np.ones(shape, np.int64)
    mask[1, ..., 7:] = 0
    types = np.broadcast_to(np.arange(S) > 4, shape).astype(np.int64) * mask
    return dict(input_ids=rng.integers(5, 50, shape), attention_mask=mask, token_type_ids=types)


def outputs(model, task):
    with torch.no_grad():
        result = model.eval()(**{n: torch.tensor(v) for n, v in inputs(task).items()})
    return {name: value.numpy() for name, value in result.items() if name.endswith("logits")}


def make(root):
    for task, (kind, values) in TASKS.items():
        torch.manual_seed(1)
        config = transformers.AlbertConfig(**SIZES, **values)
        model = getattr(transformers, f"AlbertFor{kind}")(config)
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):  # The initial zeros of transformers would hide mistakes.
                torch.nn.init.normal_(parameter, std=0.3)
        model.save_pretrained(root / task)
        np.savez(root / task / "io.npz", **inputs(task), **outputs(model, task))


def load(root):
    for task, (kind, values) in TASKS.items():
        class_ = getattr(transformers, f"AlbertFor{kind}")
        model, info = class_.from_pretrained(root / task, output_loading_info=True)
        bad = {key: info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")}
        assert not any(bad.values()), (task, bad)
        assert model.config.id2label == values.get("id2label", model.config.id2label)
        np.savez(root / task / "io.npz", **outputs(model, task))


if __name__ == "__main__":
    {"make": make, "load": load}[sys.argv[1]](Path(sys.argv[2]))
