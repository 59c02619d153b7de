"""Runs a model with transformers and writes its outputs, for peers_test.py.

It runs as a separate process, because importing both transformers and TensorFlow may crash.

python transformers_outputs.py MODEL IO.npz OUT.npz
"""

import sys

import numpy as np
import torch
import transformers


def main(folder, inputs, out):
    model, info = transformers.AlbertForPreTraining.from_pretrained(
        folder, output_loading_info=True
    )
    bad = {key: info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    assert not any(bad.values()), bad
    with np.load(inputs) as golden, torch.no_grad():
        outputs = model.eval()(
            input_ids=torch.tensor(golden["input_ids"]).long(),
            attention_mask=torch.tensor(golden["input_mask"]).long(),
            token_type_ids=torch.tensor(golden["segment_ids"]).long(),
            output_hidden_states=True,
        )
    np.savez(
        out,
        sequence_output=outputs.hidden_states[-1],
        logits=outputs.prediction_logits,
        log_probs=torch.log_softmax(outputs.sop_logits, -1),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
