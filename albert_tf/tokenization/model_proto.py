"""Edits the pieces of SentencePiece model files, reading and writing the protobuf as bytes.

The generated protobuf classes cannot be used here: Python's protobuf refuses single-byte pieces
because they are not UTF-8, and the protobuf version must match TensorFlow's. A field of a message
is its number and wire type, followed by its value; the numbers are in sentencepiece_model.proto of
google/sentencepiece.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
# Types of a piece.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, _BYTE = 1, 2, 3, 4, 6
_BYTE_FALLBACK = 35  # A field of the trainer's settings.
_CHARSMAP = 2  # A field of the normalizer's settings.


def with_pieces(proto: bytes, pieces: Iterable[tuple[bytes, float]]) -> bytes:
    """Returns the model with more pieces appended.

    Args:
      proto: the model.
      pieces: the text and the score of each new piece.
    """
    return proto + b"".join(_piece(text, score) for text, score in pieces)


def of_bytes(proto: bytes) -> bytes:
    """Returns a model that normalises text as `proto` does and makes each byte a token."""
    # A model needs at least one normal piece; "a" is a single byte, so it changes nothing.
    pieces = _piece(b"<unk>", 0.0, UNKNOWN) + _piece(b"a", 0.0)
    pieces += b"".join(_piece(b"<0x%02X>" % code, 0.0, _BYTE) for code in range(256))
    normalizers = (value for number, value in _messages(proto) if number == _NORMALIZER)
    trainer = _varint(_BYTE_FALLBACK << 3) + _varint(1)
    return pieces + _message(_TRAINER, trainer) + _message(_NORMALIZER, b"".join(normalizers))


def of_pieces(pieces: Iterable[tuple[bytes, float, int]], charsmap: bytes) -> bytes:
    """Returns a Unigram model.

    Args:
      pieces: the text, score and type of each piece.
      charsmap: the compiled table of normalization; empty for none.
    """
    normalizer = _message(_CHARSMAP, charsmap) if charsmap else b""
    return b"".join(_piece(*piece) for piece in pieces) + _message(_NORMALIZER, normalizer)


def _piece(text: bytes, score: float, kind: int = NORMAL) -> bytes:
    return _message(
        _PIECES, _message(1, text) + b"\x15" + struct.pack("<f", score) + b"\x18" + _varint(kind)
    )


def _message(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Encodes seven bits per byte, lowest first; all bytes but the last have the high bit set."""
    result = b""
    while value >= 0x80:
        result += bytes([value & 0x7F | 0x80])
        value >>= 7
    return result + bytes([value])


def _messages(proto: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields the number and value of each field; a model file holds messages only."""
    place = 0
    while place < len(proto):
        key, place = _read_varint(proto, place)
        size, place = _read_varint(proto, place)
        yield key >> 3, proto[place : place + size]
        place += size


def _read_varint(proto: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (proto[place] & 0x7F) << shift
        shift += 7
        place += 1
        if proto[place - 1] < 0x80:
            return value, place
