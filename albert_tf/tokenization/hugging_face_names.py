"""Names of Hugging Face's tokenizers that ours do not have, and what to use instead."""

from __future__ import annotations

from collections.abc import Iterable

from albert_tf.errors import InputError, closest

# Arguments of a call.
ARGUMENTS = {
    "add_special_tokens": "encode_batch(texts), which returns ids without special tokens",
    "return_attention_mask": "the entry 'input_mask', which is always there",
    "return_length": "the sums of 'input_mask'",
    "return_token_type_ids": "the entry 'input_type_ids', which is always there",
    "split_special_tokens": "rules='original', which treats [MASK] as text, for the tokenizer",
    "text_pair": "text_pairs",
    "text_pair_target": "a second call for the targets",
    "text_target": "a second call for the targets",
    "verbose": "warnings.filterwarnings",
}
# Methods and attributes.
METHODS = {
    "add_special_tokens": "with_added_tokens(tokens, special=True)",
    "add_tokens": "with_added_tokens(tokens), which returns a new tokenizer",
    "added_tokens_decoder": "added_tokens",
    "added_tokens_encoder": "added_tokens",
    "batch_encode_plus": "tokenizer(texts)",
    "convert_ids_to_tokens": "ids_to_pieces",
    "convert_tokens_to_ids": "pieces_to_ids",
    "encode_plus": "tokenizer(texts)",
    "get_added_vocab": "added_tokens",
    "get_special_tokens_mask": "tokenizer(texts, return_special_tokens_mask=True)",
    "pad": "tokenizer(texts, padding=...)",
    "prepare_for_model": "tokenizer(texts)",
    "save_pretrained": "save",
    "save_vocabulary": "save",
    "truncate_sequences": "tokenizer(texts, truncation=...)",
    "vocab": "get_vocab()",
}


def refuse(names: Iterable[str], known: Iterable[str]) -> None:
    """Raises `InputError` for arguments that a call does not have.

    Args:
      names: the arguments.
      known: those that it has.
    """
    for name in names:
        hint = f"Use {ARGUMENTS[name]}." if name in ARGUMENTS else closest(name, known)
        raise InputError(f"A tokenizer is called with other arguments. Received {name!r}. {hint}")


def missing(kind: str, name: str) -> AttributeError:
    """Returns the error for an attribute that a class does not have."""
    hint = f". Use {METHODS[name]}." if name in METHODS else ""
    return AttributeError(f"{kind!r} object has no attribute {name!r}{hint}")
