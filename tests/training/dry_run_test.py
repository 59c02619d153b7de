"""FLOPs and memory of a step, compared with an explicit list of its products and tensors."""

from albert_tf.config import AlbertConfig
from albert_tf.training.dry_run import activation_bytes, state_bytes, training_flops

B, S, P, H, E, INNER, V, N = 3, 11, 2, 20, 8, 28, 90, 5
CONFIG = AlbertConfig(
    vocab_size=V, embedding_size=E, hidden_size=H, num_hidden_layers=2, inner_group_num=2,
    num_attention_heads=N, intermediate_size=INNER, max_position_embeddings=16,
)  # fmt: skip


def products(rows):
    """Returns (rows, inner, columns) of each matrix product of one block application.

    The products after attention have `rows` rows.
    """
    attention = [(B * S, H, 3 * H), (B * N * S, H // N, S), (B * N * S, S, H // N)]
    return [*attention, (rows, H, H), (rows, H, INNER), (rows, INNER, H)]


def operations(shapes):
    return sum(2 * m * k * n for m, k, n in shapes)


def test_flops_equal_the_sum_over_all_matrix_products():
    projection = [(B * S, E, H)]
    fine_tuning = operations(4 * products(B * S) + projection)
    assert training_flops(CONFIG, B, S) == 3 * fine_tuning
    stack = 3 * products(B * S) + products(B * (P + 1))
    head = [(B * P, H, E), (B * P, E, V)]
    assert training_flops(CONFIG, B, S, P) == 3 * operations(stack + projection + head)
    assert training_flops(CONFIG, B, S, P, recompute=True) == 3 * operations(
        projection + head
    ) + 4 * operations(stack)


def test_memory_equals_the_sum_over_all_stored_tensors():
    tensors = 8 * [B * S * H] + 2 * [B * S * INNER] + 2 * [B * N * S * S]
    logits = 2 * 4 * B * P * V
    assert activation_bytes(CONFIG, B, S, P) == 4 * 4 * sum(tensors) + logits
    inputs = 4 * [B * S * H]
    assert activation_bytes(CONFIG, B, S, P, recompute=True, width=2) == (
        2 * sum(inputs + tensors) + logits
    )
    assert state_bytes(1000) == 1000 * (4 + 4 + 4 + 4)
