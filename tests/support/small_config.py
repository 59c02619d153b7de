"""The config of a model that is built quickly, with a different value for every size."""

from albert_tf.config import AlbertConfig

SMALL = AlbertConfig(
    vocab_size=31,
    embedding_size=5,
    hidden_size=12,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=20,
    max_position_embeddings=16,
)
