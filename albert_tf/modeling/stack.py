"""Cross-layer parameter sharing (Lan et al. 2020, section 3.1): which weights each layer uses.

A group is a set of weights; an inner block is one Transformer block of a group. Layer i uses group
`layer_to_group(i)` and runs all inner blocks of it in turn.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
import tf_keras

from albert_tf.config import layer_to_group
from albert_tf.modeling.attention import FusedProjection
from albert_tf.modeling.block import TransformerBlock
from albert_tf.modeling.layers import build_parts, draw, seeded
from albert_tf.modeling.padding_removal import Probabilities, RealTokens, TokenRows

_calls_kept = contextvars.ContextVar("calls_kept", default=False)


class SharedStack(tf_keras.layers.Layer):
    """Applies `num_layers` layers that share the weights of `num_hidden_groups` groups.

    Inputs: rows [T, H] and the tokens that they are. Outputs: a list of rows and a list of what
    `SelfAttention` gives as probabilities, one for each block application (num_layers *
    inner_group_num). With `output_range` the last application gives only the rows of that many
    first positions. With `recompute` training stores the input of each application only and
    computes the rest again for the gradient.
    """

    def __init__(
        self,
        num_layers: int,
        num_hidden_groups: int,
        inner_group_num: int,
        recompute: bool,
        block_arguments: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_layers, self.recompute = num_layers, recompute
        self.groups = [
            [
                TransformerBlock(**block_arguments, name=f"group_{g}_inner_{i}")
                for i in range(inner_group_num)
            ]
            for g in range(num_hidden_groups)
        ]

    def build(self, input_shape: Any) -> None:
        build_parts(*((block, block.hidden_size) for block in self.blocks))
        super().build(input_shape)

    @property
    def blocks(self) -> list[TransformerBlock]:
        """The blocks that own weights, group by group."""
        return [block for group in self.groups for block in group]

    @property
    def applications(self) -> list[TransformerBlock]:
        """The block of each application, in the order in which they run."""
        layers = range(self.num_layers)
        order = [layer_to_group(i, self.num_layers, len(self.groups)) for i in layers]
        return [block for g in order for block in self.groups[g]]

    def call(
        self,
        x: tf.Tensor,
        tokens: TokenRows,
        output_range: int | None = None,
        head_mask: tf.Tensor | None = None,
        last_tokens: TokenRows | None = None,
        training: bool = False,
    ) -> tuple[list[tf.Tensor], list[Probabilities]]:
        fused = {block.name: block.attention.fused_projection() for block in self.blocks}
        outputs, probabilities = [], []
        applications = self.applications
        # Eager calls need no graph; in training each application draws dropout of its own.
        traced_once = not (training or tf.executing_eagerly())
        functions: dict[str, Callable[..., tuple[tf.Tensor, Probabilities]]] = {}
        for i, block in enumerate(applications):
            last = i + 1 == len(applications)
            heads = None if head_mask is None else _row(head_mask, i)
            here = last_tokens if last and last_tokens is not None else tokens
            limit = output_range if last else None
            apply = self._apply(block, here, limit, training)
            if traced_once and here is tokens and limit is None:
                apply = functions.setdefault(block.name, _traced_once(apply, tokens))
            x, scores = apply(x, fused[block.name], heads)
            outputs.append(x)
            probabilities.append(scores)
        return outputs, probabilities

    def _apply(
        self, block: TransformerBlock, tokens: TokenRows, output_range: int | None, training: bool
    ) -> Callable[..., tuple[tf.Tensor, Probabilities]]:
        """Returns the application of a block as a function of tensors."""

        # One seed for the first pass and for the second, so that both draw the same masks.
        seed = draw() if training else None
        if seed is None and training and self.recompute:
            seed = tf.random.uniform([2], maxval=tf.int32.max, dtype=tf.int32)

        def apply(
            x: tf.Tensor, fused: FusedProjection, heads: tf.Tensor | None
        ) -> tuple[tf.Tensor, Probabilities]:
            with seeded(seed):
                return block(x, tokens, fused, output_range, heads, training=training)

        if not (self.recompute and training):
            return apply

        def recomputed(
            x: tf.Tensor, fused: FusedProjection, heads: tf.Tensor | None
        ) -> tuple[tf.Tensor, Probabilities]:
            given = [] if heads is None else [heads]
            function = tf.recompute_grad(
                lambda x, kernel, b, *heads: apply(
                    x, FusedProjection(kernel, b), *(heads or [None])
                )
            )
            return function(x, *fused, *given)

        return recomputed


@contextlib.contextmanager
def calls_kept() -> Iterator[None]:
    """In this block, graphs keep the calls of a block's function, instead of its operations.

    Optimising the graph, most of a first call, then takes half of the time; later calls take what
    they took. Converters to other formats, such as LiteRT's, know no calls.
    """
    token = _calls_kept.set(True)
    try:
        yield
    finally:
        _calls_kept.reset(token)


def _traced_once(
    apply: Callable[..., tuple[tf.Tensor, Probabilities]], tokens: TokenRows
) -> Callable[..., tuple[tf.Tensor, Probabilities]]:
    """Returns the application of a block as a function that stands in the graph once.

    A saved module is then smaller, and loads in less than half of the time. Calls are always kept
    for `RealTokens`, whose groups make the graph of a block large and are for no converter.
    """
    kept = _calls_kept.get() or isinstance(tokens, RealTokens)
    attributes = {"_noinline": True} if kept else None
    return tf.function(apply, autograph=False, experimental_attributes=attributes)


def _row(head_mask: tf.Tensor, application: int) -> tf.Tensor:
    """Returns the mask [N] of an application: its row of [applications, N], or the one for all."""
    return head_mask if head_mask.shape.rank == 1 else head_mask[application]
