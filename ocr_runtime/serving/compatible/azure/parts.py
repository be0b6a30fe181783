"""A result that consists of JSON and a PDF, written at once, piece by piece.

    pieces of both --piece--> bytes, one after the other --only--> the pieces of one of them

Each piece stands behind a letter that says whose it is, and its length. So neither is held in
memory while the other is written.
"""

from collections.abc import AsyncIterator
from struct import Struct
from typing import Literal

Kind = Literal[b"J", b"P"]
"""JSON, or a PDF."""

_HEAD = Struct(">cI")


def piece(kind: Kind, data: bytes) -> bytes:
    """Return the bytes that hold a piece."""
    return _HEAD.pack(kind, len(data)) + data


async def only(kind: Kind, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the pieces of one kind.

    Args:
        kind: that is wanted.
        parts: all pieces, divided anyhow.
    """
    held = bytearray()
    async for part in parts:
        held += part
        while len(held) >= _HEAD.size:
            whose, length = _HEAD.unpack_from(held)
            end = _HEAD.size + length
            if len(held) < end:
                break
            if whose == kind:
                yield bytes(held[_HEAD.size : end])
            del held[:end]
