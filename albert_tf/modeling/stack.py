"""The stack of layers, with cross-layer parameter sharing (Lan et al. 2020, section 3.1).

Weights belong to groups. A group has one or more inner blocks, each a Transformer block. Layer i
uses group `layer_to_group(i)` and runs all inner blocks of that group in turn.
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
from albert_tf.modeling.padding_removal import Probabilities, TokenLayout, UnpaddedLayout

_calls_kept = contextvars.ContextVar("calls_kept", default=False)


class SharedStack(tf_keras.layers.Layer):
    """Applies `num_layers` layers that share the weights of `num_hidden_groups` groups.

    Inputs: rows [T, H] and their layout. Outputs: a list of rows and a list of the attention
    probabilities returned by `SelfAttention`, each with one entry per block application
    (num_layers * inner_group_num). With `output_range`, the last application returns only the rows
    of that many positions from the start; with `last_layout`, those of that layout. With
    `recompute`, training stores only the input of each application and recomputes the rest for
    the gradient.
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
        self.num_heads: int = block_arguments["num_attention_heads"]
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
        """The blocks, each listed once, group by group."""
        return [block for group in self.groups for block in group]

    @property
    def applications(self) -> list[TransformerBlock]:
        """The block of each application, in execution order."""
        layers = range(self.num_layers)
        order = [layer_to_group(i, self.num_layers, len(self.groups)) for i in layers]
        return [block for g in order for block in self.groups[g]]

    def call(
        self,
        x: tf.Tensor,
        layout: TokenLayout,
        output_range: int | None = None,
        head_mask: tf.Tensor | None = None,
        last_layout: TokenLayout | None = None,
        training: bool = False,
    ) -> tuple[list[tf.Tensor], list[Probabilities]]:
        fused = self.fused_projections()
        outputs, probabilities = [], []
        applications = self.applications
        # Eager calls need no graph, and in training each application draws its own dropout masks.
        traced_once = not (training or tf.executing_eagerly())
        functions: dict[str, Callable[..., tuple[tf.Tensor, Probabilities]]] = {}
        for i, block in enumerate(applications):
            last = i + 1 == len(applications)
            heads = None if head_mask is None else _row(head_mask, i)
            block_layout = last_layout if last and last_layout is not None else layout
            limit = output_range if last else None
            apply = self._apply(block, block_layout, limit, training)
            if traced_once and block_layout is layout and limit is None:
                apply = functions.setdefault(block.name, _traced_once(apply, layout))
            x, scores = apply(x, fused[block.name], heads)
            outputs.append(x)
            probabilities.append(scores)
        return outputs, probabilities

    def fused_projections(self) -> dict[str, FusedProjection]:
        """Returns the joined projections of each block, by its name, for calls of the blocks."""
        return {block.name: block.attention.fused_projection() for block in self.blocks}

    def layer(
        self,
        group: int,
        index: tf.Tensor | int,
        x: tf.Tensor,
        layout: TokenLayout,
        fused: dict[str, FusedProjection],
        output_range: int | None = None,
        head_mask: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Returns the rows that one layer makes of rows [T, H] in inference.

        Args:
          group: the group of the layer, whose blocks are applied.
          index: the number of the layer, from 0; a loop over the layers of a group has a tensor.
          x: the rows.
          layout: their layout.
          fused: the result of `fused_projections`.
          output_range: the positions that the last block computes, from the start.
          head_mask: see `AlbertEncoder`.
        """
        blocks = self.groups[group]
        for i, block in enumerate(blocks):
            heads = None if head_mask is None else _row(head_mask, index * len(blocks) + i)
            limit = output_range if i + 1 == len(blocks) else None
            x, _ = block(x, layout, fused[block.name], limit, heads, training=False)
        return x

    def _apply(
        self, block: TransformerBlock, layout: TokenLayout, output_range: int | None, training: bool
    ) -> Callable[..., tuple[tf.Tensor, Probabilities]]:
        """Returns a function of tensors that applies a block."""

        # The forward pass and its recomputation use the same seed and so draw the same masks.
        seed = draw() if training else None
        if seed is None and training and self.recompute:
            seed = tf.random.uniform([2], maxval=tf.int32.max, dtype=tf.int32)

        def apply(
            x: tf.Tensor, fused: FusedProjection, heads: tf.Tensor | None
        ) -> tuple[tf.Tensor, Probabilities]:
            with seeded(seed):
                return block(x, layout, fused, output_range, heads, training=training)

        if not (self.recompute and training):
            return apply

        def recomputed(
            x: tf.Tensor, fused: FusedProjection, heads: tf.Tensor | None
        ) -> tuple[tf.Tensor, Probabilities]:
            optional = [] if heads is None else [heads]
            function = tf.recompute_grad(
                lambda x, kernel, b, *heads: apply(
                    x, FusedProjection(kernel, b), *(heads or [None])
                )
            )
            return function(x, *fused, *optional)

        return recomputed


@contextlib.contextmanager
def calls_kept() -> Iterator[None]:
    """Graphs traced in this context call each block's function instead of inlining it.

    This halves the time of graph optimisation, which is most of the time of a first call. Later
    calls take as long as before. Converters to other formats, such as LiteRT, do not support
    function calls.
    """
    token = _calls_kept.set(True)
    try:
        yield
    finally:
        _calls_kept.reset(token)


def _traced_once(
    apply: Callable[..., tuple[tf.Tensor, Probabilities]], layout: TokenLayout
) -> Callable[..., tuple[tf.Tensor, Probabilities]]:
    """Returns `apply` as a `tf.function`, so that the graph contains the block only once.

    This makes a saved module smaller and lets it load in less than half the time. With
    `UnpaddedLayout`, calls are never inlined: its groups make the graph of a block large, and no
    converter supports them anyway.
    """
    kept = _calls_kept.get() or isinstance(layout, UnpaddedLayout)
    attributes = {"_noinline": True} if kept else None
    return tf.function(apply, autograph=False, experimental_attributes=attributes)


def _row(head_mask: tf.Tensor, application: tf.Tensor | int) -> tf.Tensor:
    """Returns the mask [N] of an application from [applications, N], or from [N] for all."""
    return head_mask if head_mask.shape.rank == 1 else head_mask[application]
