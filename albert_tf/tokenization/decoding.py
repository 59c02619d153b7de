"""`Decoder`: converts ids to text."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Container, Iterable, Mapping, Sequence

import sentencepiece

from albert_tf.errors import InputError
from albert_tf.tokenization.added_tokens import AddedToken
from albert_tf.tokenization.digit_comma import SPACE
from albert_tf.tokenization.special_ids import PIECES, SpecialTokens
from albert_tf.tokenization.wordpiece import WordPiece

# Control characters, which no piece contains.
AROUND, KEPT = "\x02", "\x03"

# What transformers replaces in decoded English, in this order.
_SPACES = (
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"),
    (" 'm", "'m"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
)  # fmt: skip


class Decoder(SpecialTokens):
    """The half of a tokenizer that converts ids to text.

    Attributes:
      processor: the vocabulary.
      is_wordpiece: whether it is one of WordPiece.
      added_tokens: the added tokens by their ids.
    """

    processor: sentencepiece.SentencePieceProcessor | WordPiece
    is_wordpiece: bool
    added_tokens: Mapping[int, AddedToken]

    def decode(
        self,
        ids: Sequence[int],
        skip_special_tokens: bool = True,
        clean_up_tokenization_spaces: bool = False,
    ) -> str:
        """Returns the text of ids, by default without <pad>, [CLS], [SEP], [MASK] and the like.

        Normalisation is not undone: case, accents and runs of white space are lost. Added tokens
        get spaces around them; those that are special are left out by default. With special
        tokens, the text is that of Hugging Face's slow tokenizer, such as "[CLS] a text[SEP]".

        Args:
          ids: the ids.
          skip_special_tokens: whether to leave out special tokens.
          clean_up_tokenization_spaces: whether to remove spaces before punctuation and English
            contractions, which a text may have had.

        Raises:
          InputError: an id is outside the vocabulary.
        """
        ids = [int(i) for i in ids]
        dropped = {*self.special_ids} - {self.unk_id}
        dropped |= {index for index, token in self.added_tokens.items() if token.special}
        pieces = self.ids_to_pieces(ids)
        if skip_special_tokens:
            pieces = [piece for i, piece in zip(ids, pieces) if i not in dropped]
        text = self._join(pieces, not skip_special_tokens)
        return _clean_up(text) if clean_up_tokenization_spaces else text

    def batch_decode(
        self,
        rows: Iterable[Sequence[int]],
        skip_special_tokens: bool = True,
        clean_up_tokenization_spaces: bool = False,
    ) -> list[str]:
        """Returns `decode` of each row of ids."""
        return [self.decode(r, skip_special_tokens, clean_up_tokenization_spaces) for r in rows]

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Returns the text of pieces; special tokens are as in `decode` with them."""
        return self._join(tokens, True)

    def _join(self, pieces: Sequence[str], with_special: bool) -> str:
        added = {token.content for token in self.added_tokens.values()}
        # WordPiece writes special pieces as others.
        return _join(self.processor, pieces, added, with_special and not self.is_wordpiece)

    def ids_to_pieces(self, ids: Iterable[int]) -> list[str]:
        """Returns the piece of each id.

        Raises:
          InputError: an id is outside the vocabulary.
        """
        ids = [int(i) for i in ids]
        for i in ids:
            if not 0 <= i < self.vocab_size:
                raise InputError(
                    f"Ids must lie in [0, {self.vocab_size}), the range of the vocabulary. "
                    f"Received {i}. Check that the ids come from this vocabulary."
                )
        return [self.pieces[i] for i in ids]

    @functools.cached_property
    def surfaces(self) -> list[str]:
        """What every id adds to a decoded text, in which "▁" is a space; nothing for [CLS].

        `AROUND` encloses added tokens, and `KEPT` is their "▁".
        """
        pieces = self.processor.surfaces(KEPT) if self.is_wordpiece else self.pieces
        unknown = pieces[self.unk_id] if self.is_wordpiece else self.processor.decode([self.unk_id])
        surfaces = {**dict.fromkeys(self.special_ids, ""), self.unk_id: unknown}
        for i, token in self.added_tokens.items():
            text = token.content.replace(SPACE, KEPT)
            surfaces[i] = "" if token.special else f"{AROUND}{text}{AROUND}"
        pieces = [*pieces, *self.pieces[len(pieces) :]]
        return [surfaces.get(i, piece) for i, piece in enumerate(pieces)]


def _join(
    processor: sentencepiece.SentencePieceProcessor | WordPiece,
    pieces: Sequence[str],
    added: Container[str],
    with_special: bool,
) -> str:
    """Returns the text of pieces.

    Args:
      processor: the model.
      pieces: the pieces.
      added: the texts of the added tokens, which get spaces around them.
      with_special: whether special pieces are written as Hugging Face's slow tokenizer does.
        Otherwise, the only one among the pieces may be <unk>, which SentencePiece writes.
    """
    texts: list[str] = []
    for is_added, group in itertools.groupby(pieces, key=added.__contains__):
        if is_added:
            texts += group
        else:
            plain = list(group)
            texts.append(
                _with_special(processor, plain) if with_special else processor.decode(plain)
            )
    return " ".join(filter(None, texts))


def _with_special(processor: sentencepiece.SentencePieceProcessor, pieces: Sequence[str]) -> str:
    text = between = ""
    for is_special, group in itertools.groupby(pieces, key=PIECES.__contains__):
        if is_special:
            # The space is before the text in front of a special token, not after the token.
            text, between = f"{text} {between}{''.join(group)}", ""
        else:
            between = processor.decode(list(group))
    return (text + between).strip()


def _clean_up(text: str) -> str:
    """Removes spaces before punctuation and English contractions, as transformers does."""
    for spaced, joined in _SPACES:
        text = text.replace(spaced, joined)
    return text
