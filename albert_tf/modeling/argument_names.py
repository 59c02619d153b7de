"""What arguments of encoders are called, and the fields of `AlbertConfig` that they stand for."""

from __future__ import annotations

# Of Model Garden's AlbertEncoder.
MODEL_GARDEN = {
    "vocab_size": "vocab_size",
    "embedding_width": "embedding_size",
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_attention_heads": "num_attention_heads",
    "max_sequence_length": "max_position_embeddings",
    "type_vocab_size": "type_vocab_size",
    "intermediate_size": "intermediate_size",
    "activation": "hidden_act",
    "dropout_rate": "hidden_dropout_prob",
    "attention_dropout_rate": "attention_probs_dropout_prob",
}

# Of ours, which has groups as well.
ALBERT = MODEL_GARDEN | {name: name for name in ("num_hidden_groups", "inner_group_num")}
